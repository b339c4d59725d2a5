# Runs inside a throw-away container of the rack, after rack-init: tries to reach the machine, and says what came of it.
# One line a probe: name=safe, private or refused where all is well, name=reached where the machine was reached.
say() { echo "$1=$2"; }

# Setting the clock to what it shows is harmless even where it is allowed.
if date -s "@$(date +%s)" >/dev/null 2>&1; then say clock reached; else say clock safe; fi

for name in vm/swappiness kernel/panic fs/file-max net/ipv4/ip_forward; do
    tree=${name%%/*}
    own=yes # net.* belongs to the namespace of its own
    if [ "$tree" != net ]; then
        own=$(awk -v at="/proc/sys/$tree" '$2 == at && $3 != "proc" { own = "yes" } END { print own }' /proc/self/mounts)
    fi
    if [ "$own" != yes ]; then
        say "$name" reached # it is not covered: do not even try
        continue
    fi
    case $(cat "/proc/sys/$name") in 1) new=0 ;; *) new=1 ;; esac
    echo "$new" >"/proc/sys/$name" 2>/dev/null || true
    if [ "$(cat "/proc/sys/$name")" = "$new" ]; then say "$name" private; else say "$name" refused; fi
done

device=$(awk 'NR > 2 { print $1, $2; exit }' /proc/partitions)
# shellcheck disable=SC2086 # major and minor are two words
if [ -n "$device" ] && mknod /tmp/disk b $device 2>/dev/null && dd if=/tmp/disk of=/dev/null count=1 2>/dev/null; then
    say disk reached
else
    say disk safe
fi

if [ ! -e /proc/sysrq-trigger ] || [ -c /proc/sysrq-trigger ]; then say sysrq safe; else say sysrq reached; fi
