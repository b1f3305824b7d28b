# The units that we write, in a guest: sourced by scenarios after lib.sh.

FIFO=/usr/local/clockspeed/adjust
UNITS="truechimer.service truechimer-wait.service clockspeed-step.service clockspeed.service clockadjust.service taiclockd.service"
# Sets of capabilities as /proc has them.
NONE=0000000000000000
SYS_TIME=0000000002000000

install_units() {
	sed -i '/^user = /d' $CONFIG
	truechimer service install --supervisor systemd --role master --config $CONFIG >/dev/null
	systemd-sysusers truechimer.conf
	systemd-tmpfiles --create truechimer.conf
	systemctl daemon-reload
}

# property UNIT NAME: what systemd says of it.
property() { systemctl show --value --property "$2" "$1"; }

find_daemon() {
	daemon=$(property truechimer MainPID)
	keeper=$(awk -v parent="$daemon" '$4 == parent { print $1 }' /proc/[0-9]*/stat)
}

# is_new UNIT OLD: is it active, with another process than the old one?
is_new() { [ "$(property "$1" ActiveState)" = active ] && [ "$(property "$1" MainPID)" != "$2" ]; }

# Which capabilities a process may pass on, may have, has, and passes on to all that it starts.
capabilities() { echo "$(status "$1" CapInh) $(status "$1" CapPrm) $(status "$1" CapEff) $(status "$1" CapAmb)"; }

# What a unit has said so far.
hear() { journalctl --no-pager --quiet -o cat -u "$1" >$LOG; }

