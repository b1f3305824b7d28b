# What a scenario can say. Runs in the guest, in busybox's shell.
#
#   truth SECONDS PPM [PORT=ERROR..]   the kernel's clock is behind by SECONDS, the raw counter PPM slow
#   configure [TOML]                   four sources, and what else the scenario wants
#   start; finish; slay PID            the daemon
#   judge NAME SECONDS                 a table of truth and claims, in /NAME
#   check NAME COMMAND..               something that must hold; the functions at the end are meant for it

CONFIG=/etc/truechimer.toml
LOG=/daemon.log
failed=0
checked=0

say() { echo "guest: $*"; }

check() {
	what=$1
	shift
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

truth() {
	line=$(truth-tool begin "$1" "$2")
	shift 2
	[ $# != 0 ] || set -- 1231=0 1232=0.0001 1233=-0.0001 1234=3
	truth-tool serve "$line" "$@" >/dev/null &
}

configure() {
	for port in 1231 1232 1233 1234; do
		printf '[[source]]\naddress = "127.0.0.1:%s"\nmin_interval = "4s"\nmax_interval = "16s"\n' $port
	done >$CONFIG
	printf 'user = "nobody"\n%b\n' "$1" | cat - $CONFIG >$CONFIG.new
	mv $CONFIG.new $CONFIG
}

start() {
	truechimer run --config $CONFIG 2>>$LOG &
	daemon=$!
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
	truth-tool judge "$line" "$2" >/"$1"
	honest=$?
	# The whole of a long table is for a person with a question.
	awk 'NR <= 31 || NR % 20 == 1' /"$1"
	check "$1: what was claimed was true at every second" [ $honest = 0 ]
}

# within NAME FROM TO MICROSECONDS: the clock's true error in these seconds of a table.
within() {
	awk -v from="$2" -v to="$3" -v most="$4" 'NR > 1 && $1 >= from && $1 <= to {
		e = $2 < 0 ? -$2 : $2; n++; if (e > worst) worst = e
	} END { printf "guest: worst %.1f us in %d s\n", worst, n; exit !(n > 0 && worst <= most) }' /"$1"
}

# told PATTERN TIMES: so many lines of the daemon's log.
told() {
	times=$(grep -c "$1" $LOG)
	[ "$times" = "$2" ] || { say "$times lines of '$1'" && false; }
}

# status PID FIELD: a field of /proc/PID/status.
status() { awk -v field="$2:" '$1 == field { print $2 }' /proc/"$1"/status; }

# ended NAME FIELD VALUE: a field of the last row of a table.
ended() { [ "$(awk -v field="$2" 'END { print $field }' /"$1")" = "$3" ]; }

gone() { [ ! -e /proc/"$1" ]; }
