# What a scenario can say. Runs in the guest, in busybox's shell.
#
#   truth [behind=S] [slow=PPM] [ramp=PPM/H] [sine=PPM:S] [walk=PPM:SEED] [leaps=FILE]   how wrong the guest's clocks are
#   network [DELAY JITTER [PLACE..]]   servers of the truth behind a router that holds packets up, each way
#   configure [TOML [CHRONY]]          the sources, and what else the scenario wants; the same in chrony's words
#   start; finish; slay PID            the daemon
#   judge NAME SECONDS [EVERY]         a table of truth and claims, in /NAME
#   within NAME FROM-TO MICROSECONDS   how far the clock was off in these seconds of it: a row of the results
#   first NAME MICROSECONDS   from when on it was right to so much: a row of the results
#   suspend SECONDS            the machine sleeps, if it was started so that it can, and true time goes on
#   host_page MARKER           the page by which a host tells of a migration, as a file: another marker, another place
#   leap + | -                 a leap second at the end of 2026, in /leaps
#   check NAME COMMAND..               something that must hold; the functions at the end are meant for it
#
# A scenario that is compared runs once more with chronyd instead of the daemon. Then nothing is checked and the rows
# are what counts: `ours COMMAND..` is left out.

CONFIG=/etc/truechimer.toml
LOG=/daemon.log
SERVERS="10.0.2.1 10.0.2.2 10.0.2.3 10.0.2.4"
failed=0
checked=0

# The shell has an ip of its own, which knows no namespaces.
ip() { /sbin/ip "$@"; }

say() { echo "guest: $*"; }

ours() { [ "$WHO" != ours ] || "$@"; }

check() {
	what=$1
	shift
	[ "$WHO" = ours ] || return 0
	checked=$((checked + 1))
	if "$@"; then say "ok: $what"; else
		failed=$((failed + 1))
		say "FAILED: $what"
	fi
}

verdict() {
	[ "$failed" = 0 ] || cat $LOG
	say "verdict: $checked checks, $failed failed"
}

truth() { truth-tool begin "$@"; }

# The host under test is 10.0.1.1, the servers are 10.0.2.1 to 10.0.2.4 in a namespace of their own, and the router
# between them holds each packet up for DELAY ± JITTER. A PLACE is NUMBER=ERROR or NUMBER=smear.
network() {
	delay=${1:-0.8ms}
	jitter=${2:-0.1ms}
	[ $# -lt 2 ] || shift 2
	[ $# != 0 ] || set -- 1=0 2=0.0001 3=-0.0001 4=3
	ip netns add router && ip netns add servers
	ip link add host type veth peer name inside netns router
	ip link add farm netns servers type veth peer name outside netns router
	ip address add 10.0.1.1/24 dev host
	ip link set host up
	ip -n router address add 10.0.1.254/24 dev inside
	ip -n router address add 10.0.2.254/24 dev outside
	ip -n servers link set lo up
	for link in inside outside; do
		ip -n router link set $link up
		ip netns exec router tc qdisc add dev $link root netem delay "$delay" "$jitter"
	done
	ip netns exec router sysctl -q -w net.ipv4.ip_forward=1
	for address in $SERVERS; do ip -n servers address add $address/24 dev farm; done
	ip -n servers link set farm up
	ip -n servers route add default via 10.0.2.254
	ip route add default via 10.0.1.254
	for place; do
		ip netns exec servers truth-tool serve 10.0.2.${place%%=*} ntp:123=${place#*=} >/dev/null &
	done
	sleep 1
}

configure() {
	mkdir -p /var/lib/truechimer /var/lib/chrony /run/chrony
	for server in $SERVERS; do
		printf '[[source]]\naddress = "%s"\nmin_interval = "4s"\nmax_interval = "16s"\n' $server
	done >$CONFIG
	printf 'user = "nobody"\n%b\n' "$1" | cat - $CONFIG >$CONFIG.new
	mv $CONFIG.new $CONFIG
	{
		for server in $SERVERS; do echo "server $server iburst minpoll 2 maxpoll 4"; done
		printf 'rtcsync\ndriftfile /var/lib/chrony/drift\ncmdport 0\npidfile /run/chrony/pid\n%b\n' "${2:-makestep 0.1 3}"
	} >/etc/chrony.conf
}

start_quickly() {
	case $WHO in
	ours) ${START:-} truechimer run --config $CONFIG 2>>$LOG & ;;
	chronyd) chronyd -f /etc/chrony.conf -d -u root 2>>$LOG & ;;
	esac
	daemon=$!
}

start() {
	start_quickly
	sleep 1
	keeper=$(awk -v parent="$daemon" '$4 == parent { print $1 }' /proc/[0-9]*/stat)
}

# Ends the daemon as a supervisor would.
finish() {
	kill -TERM $daemon
	wait $daemon
	left=$?
}

slay() { kill -KILL "$1"; }

judge() {
	truth-tool judge "$2" ${3:-} >/"$1"
	honest=$?
	# The whole of a long table is for a person with a question.
	awk 'NR <= 31 || NR % 20 == 1' /"$1"
	check "$1: what was claimed was true at every second" [ $honest = 0 ]
}

# A row of the results, and whether it is good enough.
within() {
	from=${2%-*}
	to=${2#*-}
	echo "guest: row $1 $2 $(truth-tool sum /"$1" "$from" "$to")"
	check "right to $3 us in $1 in seconds $2" awk -v from="$from" -v to="$to" -v most="$3" '
		NR > 1 && $1 >= from && $1 <= to { n++; if ($2 > most || -$2 > most) bad = 1 } END { exit bad || n == 0 }' /"$1"
}

first() { echo "guest: first $1 $2 $(truth-tool first /"$1" "$2")"; }

# Magic, size, version and counter, sequence, marker: /dev/vmclock0 as Linux 6.13 has it.
host_page() {
	page='VCLK\000\020\000\000\001\000\000\000\002\000\000\000'
	if [ -e /dev/vmclock0 ]; then
		printf "\\00$1" | dd of=/dev/vmclock0 bs=1 seek=16 conv=notrunc 2>/dev/null
	else
		{ printf "$page\\00$1"; dd if=/dev/zero bs=4079 count=1 2>/dev/null; } >/dev/vmclock0
	fi
}

# The machine is suspended for so many seconds, and true time goes on: by the processor's counter, the rate of which is seen before.
suspend() {
	counters=/sys/module/truth/parameters/counters
	begun=$(cat $counters)
	sleep 5
	echo "+$1" >/sys/class/rtc/rtc0/wakealarm
	before=$(cat $counters)
	echo mem >/sys/power/state
	truth-tool skip "$(echo "$begun $before $(cat $counters)" |
		awk '{ printf "%.9f", ($5 - $3) * ($4 - $2) / ($3 - $1) / 1e9 - ($6 - $4) / 1e9 }')"
}

leap() { truth-tool leaps "$1" 2026 >/leaps; }

# told PATTERN TIMES: so many lines of the daemon's log.
told() {
	times=$(grep -c "$1" $LOG)
	[ "$times" = "$2" ] || { say "$times lines of '$1'" && false; }
}

# status PID FIELD: a field of /proc/PID/status.
status() { awk -v field="$2:" '$1 == field { print $2 }' /proc/"$1"/status; }

# ended NAME FIELD VALUE: a field of the last row of a table.
ended() { [ "$(awk -v field="$2" 'END { print $field }' /"$1")" = "$3" ]; }

# Is nothing claimed of the time?
void() {
	truechimer status >/status
	grep -q '^status *disrupted' /status && ! grep '^time' /status
}

gone() { [ ! -e /proc/"$1" ]; }

# Is the RTC within so many seconds of the clock?
rtc_is_near() {
	rtc=$(cat /sys/class/rtc/rtc0/since_epoch)
	apart=$((rtc - $(date +%s)))
	say "the RTC is $apart s ahead of the clock"
	[ $apart -ge -"$1" ] && [ $apart -le "$1" ]
}
