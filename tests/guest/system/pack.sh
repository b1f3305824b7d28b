# What tests/guest/run does for a scenario that says `#machine root=systemd`: the first process of its guest is systemd,
# on a small Debian with daemontools, and the scenario runs as a service of it. Sourced by `run`, whose variables it has.

is_systemd() { case $(wish "$1" root) in systemd | debian) ;; *) return 1 ;; esac; }

# With Debian's own way of installing packages, and our package to be installed, if somebody has made it.
is_debian() { [ "$(wish "$1" root)" = debian ]; }
package() { ls "$built"/debian/truechimer_*.deb 2>/dev/null | tail -n 1; }

wants_systemd() {
	for scenario; do
		! is_systemd "$scenario" || return 0
	done
	return 1
}

# What a guest's root is made of, in this order.
archives_of() {
	if is_debian "$1"; then
		echo debian.cpio over.cpio deb.cpio
	elif is_systemd "$1"; then
		echo system.cpio over.cpio
	else
		echo common.cpio
	fi
}

wants_debian() {
	for scenario; do
		! is_debian "$scenario" || return 0
	done
	return 1
}

pack_debian() {
	"$here/system/build" "$work/debian" whole || exit 1
	root=$work/debian
	[ "$work/debian.cpio" -nt "$root.complete" ] || archive "$work/debian.cpio"
	root=$work/deb
	rm -rf "$root"
	mkdir -p "$root/root"
	cp "$(package)" "$root/root/truechimer.deb"
	archive "$work/deb.cpio"
}

first_process_of() {
	! is_systemd "$1" || echo rdinit=/lib/systemd/systemd systemd.show_status=0 systemd.log_color=0 TERM=dumb
}

# What systemd's guests share: the Debian, and over it our programs and what a scenario calls.
pack_systemd() {
	"$here/system/build" "$work/system" || exit 1
	root=$work/system
	[ "$work/system.cpio" -nt "$root.complete" ] || archive "$work/system.cpio"
	root=$work/over
	rm -rf "$root"
	mkdir -p "$root/usr/local/sbin" "$root/usr/local/lib/box" "$root/usr/lib/modules" "$root/etc/systemd/system/multi-user.target.wants"
	# Debian's own words come first; the box has those that it lacks.
	for applet in $("$work/parts/bin/busybox" --list); do ln -s busybox "$root/usr/local/lib/box/$applet"; done
	cp --remove-destination "$work/parts/bin/busybox" "$root/usr/local/lib/box/busybox"
	cp "$built/release/truechimer" "$root/usr/local/sbin/"
	cp "$built/release/examples/truth" "$root/usr/local/sbin/truth-tool"
	cp "$work"/common/lib/modules/*.ko "$root/usr/lib/modules/"
	cp "$here/lib.sh" "$here/system/begin" "$root/"
	cp -r "$here/system" "$root/system"
	cp -r "$repo/crates/truechimer/tests/peers/article" "$root/article"
	# Whoever has the original may see it in the place of ours: CLOCKSPEED is the folder of its programs.
	[ -z "${CLOCKSPEED:-}" ] || cp -rL "$CLOCKSPEED" "$root/original"
	cp "$here/system/scenario.service" "$root/etc/systemd/system/"
	ln -s ../scenario.service "$root/etc/systemd/system/multi-user.target.wants/"
	# Nobody logs in, and the console is the scenario's.
	for unit in getty@ getty-static serial-getty@; do ln -s /dev/null "$root/etc/systemd/system/$unit.service"; done
	archive "$work/over.cpio"
}
