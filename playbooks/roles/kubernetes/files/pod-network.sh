#!/bin/sh
# Routes to the pods of other workers, as /etc/kubernetes/pod-routes says (lines of "NETWORK WORKER"), and what a worker
# needs for its own. Routes that are right are left alone, so that running this never interrupts a connection.
set -eu
table=/etc/kubernetes/pod-routes
mark=94 # the routes' protocol number (rtnetlink(7)): ours, so that stale ones are found

while read -r network worker; do
    ip route replace "$network" via "$worker" proto $mark
done <"$table"
ip route show proto $mark | while read -r network _; do
    grep -q "^$network " "$table" || ip route delete "$network" proto $mark
done

if [ -e /etc/kubernetes/pod-network.nft ]; then
    # Traffic between pods on one bridge has to pass the rules too: answers of a service come from another address.
    modprobe br_netfilter 2>/dev/null || true
    if [ ! -e /proc/sys/net/bridge ]; then
        echo "pod-network: the kernel module br_netfilter is not loaded; load it on the machine below" >&2
        exit 1
    fi
    sysctl --quiet net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
    nft -f /etc/kubernetes/pod-network.nft
fi
