# What the two guests of a pair can say beyond what every guest can.
#
#   meet ADDRESS           brings up the network between the two
#   watch_turns SECONDS    draws the truth from without in so many seconds, and goes on holding it against what is seen there
#   went_on                so often true time was seen to go on while this machine stood still
#   pause SECONDS          asks the runner to stop this machine for so long

# What virtio_net stands on comes first.
meet() {
	for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net; do
		insmod /lib/modules/$module.ko
	done
	ip address add "$1/24" dev eth0
	ip link set eth0 up
}

watch_turns() {
	turns "$1" >/turns
	# On a busy machine few of them are sharp.
	until truth turns=/turns || [ "$(wc -l </turns)" -gt 60 ]; do turns 5 >>/turns; done
	say "$(wc -l </turns) turns of seconds seen, the sharpest $(sort -n -k 3 /turns | awk 'NR == 1 { print $3 / 1000 }') us wide"
	(turns 600 | truth-tool follow >/followed) &
}

went_on() { grep -c ^skip /truth; }

pause() { say "pause $1"; }
