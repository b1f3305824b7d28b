# What DHCP offers on one interface becomes a file below the run folder, and the daemon reads it again; where it is
# the same as before, nothing happens. For the hooks of DHCP clients: offer INTERFACE [ADDRESS..]
offer() {
    folder=${TRUECHIMER_OFFERS:-/run/truechimer/dhcp}
    interface=$1
    shift
    # It becomes the name of a file.
    case $interface in '' | .* | */* | *~) return 0 ;; esac
    mkdir -p "$folder" || return 0
    printf '%s\n' "$@" | grep . >"$folder/.$interface.new" || :
    if [ ! -s "$folder/.$interface.new" ] && [ ! -s "$folder/$interface" ] ||
        cmp -s "$folder/.$interface.new" "$folder/$interface"; then
        rm -f "$folder/.$interface.new"
    else
        mv "$folder/.$interface.new" "$folder/$interface"
        ${TRUECHIMER_RELOAD:-systemctl --no-block try-reload-or-restart truechimer.service} || :
    fi
}
