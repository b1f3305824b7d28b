# What a scenario can say, besides all of the other lib.sh, where systemd is the first process.

# The servers share the processor with systemd, and stamp what comes when they are let: they go first.
hurry_servers() {
	for server in $(pidof truth-tool); do
		for thread in /proc/"$server"/task/*; do chrt -f -p 50 "${thread##*/}" >/dev/null; done
	done
}

# As everywhere, but no row of the results: so many processes share the processor here that two runs are nearly alike, and
# not to the byte.
within() {
	sum=$(truth-tool sum /"$1" "${2%-*}" "${2#*-}")
	say "$1 $2: rms us, max us, page +- us, maxerror us, false: $sum"
	worst=$(echo "$sum" | cut -d ' ' -f 2)
	check "right to $3 us in $1 in seconds $2" [ "${worst%.*}" -lt "$3" ]
}

fails() { ! "$@"; }

# wait_for SECONDS COMMAND..
wait_for() {
	patience=$1
	shift
	until "$@"; do
		[ "$patience" -gt 0 ] || return 1
		patience=$((patience - 1))
		sleep 1
	done
}
