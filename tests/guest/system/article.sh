# The set-up that clockspeed was run in for twenty years, in a guest: sourced by scenarios after lib.sh.
#
#   article NAME MASTER SERVER   a host of that name is set up; its master's address, and that of the NTP server
#   article_starts               daemontools' scanner finds the services; the group is given the fifo by hand
#   measured COUNT SECONDS       waits for so many measurements, for so long at most; fails if there are fewer
#   learned PPM TOLERANCE        is this what etc/atto says by which the counter is slow?
#
# The scripts are those of crates/truechimer/tests/peers/article, as they were typed but for SCALE, which divides their
# times. The clock counts all seconds (TAI less ten) and the zone is one that expects that, as the programs presume.
# Where the guest has /original, the original's programs are run instead of ours.

SCALE=20
CLOCK_DIR=/usr/local/clockspeed
FIFO=$CLOCK_DIR/adjust
ATTO=$CLOCK_DIR/etc/atto
LOG=/var/log/clockadjust/current

# fill TEMPLATE FILE [ACCOUNT]
fill() {
	mkdir -p "${2%/*}"
	sed -e "s|@CONF@|/etc/clockspeed.conf|g" -e "s|@CLOCK_DIR@|$CLOCK_DIR|g" -e "s|@SCALE@|$SCALE|g" \
		-e "s|@PATH@|/usr/bin:/bin|g" -e "s|@MASTER_IP@|$master|g" -e "s|@SNTP_IP@|$server|g" -e "s|@OPTIONS@||g" \
		-e "s|@LOG@|${LOG%/*}|g" -e "s|@USER@|${3:-}|g" "/article/$1" >"$2"
	chmod 755 "$2"
}

# A table of leap seconds as the package's own program makes it: 2^62 + 10 + all seconds since 1970, in 8 bytes each.
leapsecs() {
	grep '^[0-9]' /usr/share/zoneinfo/leap-seconds.list | while read -r midnight offset _; do
		[ "$offset" -gt 10 ] || continue
		label=$((midnight - 2208988800 + offset - 1))
		# shellcheck disable=SC2059 # The bytes are the format.
		printf "$(printf '\\100\\0\\0\\0\\%o\\%o\\%o\\%o' \
			$((label >> 24)) $((label >> 16 & 255)) $((label >> 8 & 255)) $((label & 255)))"
	done
}

article() {
	hostname "$1"
	master=$2
	server=$3
	ln -sfn /usr/share/zoneinfo/right/Europe/Berlin /etc/localtime
	leapsecs >/etc/leapsecs.dat
	for account in sntp sntplog; do
		useradd --user-group --no-create-home --home-dir /var/lib --shell /bin/false $account
	done
	install -d -o sntplog -g sntplog "${LOG%/*}"
	mkdir -p $CLOCK_DIR/bin $CLOCK_DIR/etc
	if [ -d /original ]; then cp /original/* $CLOCK_DIR/bin/; else truechimer applets --install $CLOCK_DIR/bin >/dev/null; fi
	fill clockspeed.conf /etc/clockspeed.conf
	fill someclock $CLOCK_DIR/bin/someclock
	fill clockspeed.run $CLOCK_DIR/service_clockspeed/run
	fill adjust.run $CLOCK_DIR/service_adjust/run sntp
	fill clockadjust $CLOCK_DIR/service_adjust/clockadjust
	fill log.run $CLOCK_DIR/service_adjust/log/run sntplog
	fill taiclockd.run $CLOCK_DIR/service_taiclockd/run nobody
	# Where Debian has it.
	ln -s /etc/service /service
}

article_starts() {
	systemctl is-active --quiet daemontools-run || systemctl start daemontools-run
	for name in clockspeed taiclockd; do ln -s $CLOCK_DIR/service_$name /service/$name; done
	wait_for 60 [ -p $FIFO ]
	chgrp sntp $FIFO
	chmod 620 $FIFO
	ln -s $CLOCK_DIR/service_adjust /service/adjust
}

# Each is a round of the loop, which ends with a line of dashes.
measurements() { grep -c -e ' -----' $LOG 2>/dev/null; }
has_measured() { [ "$(measurements)" -ge "$1" ]; }
measured() { wait_for "$2" has_measured "$1"; }

learned() {
	slow=$1
	most=$2
	# shellcheck disable=SC2046 # Sixteen numbers.
	set -- $(od -An -v -tu1 $ATTO)
	[ $# = 16 ] || return 1
	shift 8
	nanos=$((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
	shift 4
	billionths=$((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
	say "one tick lasts $nanos ns and $billionths billionths of one"
	awk -v nanos=$nanos -v billionths=$billionths -v slow="$slow" -v most="$most" 'BEGIN {
		off = (nanos - 1) * 1000000 + billionths / 1000 - slow
		exit !(off < most && off > -most) }'
}

failed_since() { [ "$(grep -c fatal $LOG)" -gt "$1" ]; }

# is_of NAME ACCOUNT: does the process of this name run as that account and its group, and nothing more?
is_of() {
	pid=$(process "$1") || return 1
	[ "$(status "$pid" Uid):$(status "$pid" Gid)" = "$(id -u "$2"):$(id -g "$2")" ]
}

# The services of the article, by the names of their processes.
SERVICES="clockspeed taiclockd clockadjust multilog"

all_run() {
	for name in $SERVICES; do process $name >/dev/null || return 1; done
}

none_twice() {
	for name in $SERVICES; do [ "$(pidof $name | wc -w)" = 1 ] || return 1; done
}

# Does taiclockd, asked from another host, tell this one's own time, to so many microseconds?
master_is_right() {
	ip netns exec servers $CLOCK_DIR/bin/taiclock 10.0.1.1 >/record || return 1
	$CLOCK_DIR/bin/clockview </record
	# shellcheck disable=SC2046 # Sixteen numbers.
	set -- "$1" $(od -An -v -tu1 /record)
	[ $# = 17 ] || return 1
	micros=$((((${10} << 24) + (${11} << 16) + (${12} << 8) + ${13}) / 1000))
	case $2.$9 in
	0.0) ;;
	255.255) micros=$((1000000 - micros)) ;;
	*) return 1 ;;
	esac
	say "it is $micros us from what it says itself"
	[ $micros -le "$1" ]
}

# The number of the first process of a name.
process() { pidof "$1" | cut -d ' ' -f 1 | grep .; }

# reborn NAME OLD: is there a process of this name, and not the old one?
reborn() { new=$(process "$1") && [ "$new" != "$2" ]; }

# slays NAME: kills it, and waits for the next one. Its supervisor takes a second.
slays() {
	old=$(process "$1") || return 1
	kill -KILL "$old"
	wait_for 20 reborn "$1" "$old"
}
