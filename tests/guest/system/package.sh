# What the scenario of the package can say besides: sourced by it after units.sh. The program is the package's own.

is_active() { [ "$(property "$1" ActiveState)" = active ]; }
is_inactive() { [ "$(property "$1" ActiveState)" = inactive ]; }
timedatectl_says() { wait_for 60 timedatectl_has "$@"; }
timedatectl_has() { [ "$(timedatectl show --property "$1" --value)" = "$2" ]; }

# The sources are those of the guest's network: a configuration that is there before is left alone, as dpkg does.
install_package() {
	mkdir -p /etc/truechimer/conf.d
	for server in $SERVERS; do
		printf '[[source]]\naddress = "%s"\nmin_interval = "4s"\nmax_interval = "16s"\n' "$server"
	done >/etc/truechimer/conf.d/guest.toml
	rm -f /usr/local/sbin/truechimer
	hash -r
	/usr/bin/dpkg --install /root/truechimer.deb
}

purge_package() {
	rm -f /etc/truechimer/conf.d/guest.toml
	/usr/bin/dpkg --purge truechimer
}

# has_file FILE: has the package? This Debian leaves manuals out when it installs.
has_file() { /usr/bin/dpkg-query --listfiles truechimer | grep -q -x "$1"; }
