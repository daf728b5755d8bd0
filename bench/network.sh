#!/bin/bash
# network.sh [OPTION...] -- COMMAND...: runs COMMAND under mpirun on a small cluster made on this machine: every node a
# network namespace with a cable (veth) to a switch (bridge), and every cable shaped by tc to a rate in both directions.
#   --ranks N        ranks (8)
#   --per-node N     ranks on one node, which then share memory (1)
#   --rate RATE      of a cable, each way, as tc writes it: 1gbit, 200mbit; 0 leaves cables unshaped (1gbit)
#   --delay TIME     of a cable, each way: 50us (0; needs the kernel's netem)
#   --mtu BYTES      (1500)
#   --congestion ALG the TCP congestion control of all nodes (cubic)
#   --check          first send plain TCP from one node to another, alone and both ways, and print the rates
#   --counters       at the end, what each cable carried, as JSON lines
#   --mpirun "ARGS"  more options for mpirun; may be repeated
#   --help
# The options' own output goes to stderr: stdout is COMMAND's. The exit status is COMMAND's. Addresses are taken from an
# unused 10.N.0.0/24; everything made is taken away at the end, on errors and on Ctrl-C. Needs root, iproute2, Open MPI.
set -euo pipefail
export LC_ALL=C

say() { printf 'network.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

ranks=8; per_node=1; rate=1gbit; delay=0; mtu=1500; congestion=cubic; check=0; counters=0; more=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --check) check=1; shift; continue ;;
    --counters) counters=1; shift; continue ;;
    --) shift; break ;;
    --ranks | --per-node | --rate | --delay | --mtu | --congestion | --mpirun) [ $# -ge 2 ] || die "$1 needs a value" ;;
    *) die "unknown option $1 (--help tells; COMMAND comes after --)" ;;
  esac
  case $1 in
    --ranks) ranks=$2 ;;
    --per-node) per_node=$2 ;;
    --rate) rate=$2 ;;
    --delay) delay=$2 ;;
    --mtu) mtu=$2 ;;
    --congestion) congestion=$2 ;;
    --mpirun) read -ra words <<<"$2"; more+=("${words[@]}") ;;
  esac
  shift 2
done
[ $# -gt 0 ] || die "no COMMAND after --"
for number in "$ranks" "$per_node" "$mtu"; do
  [[ $number =~ ^[1-9][0-9]{0,4}$ ]] || die "'$number' is no positive number"
done
nodes=$(((ranks + per_node - 1) / per_node))
[ "$nodes" -le 200 ] || die "$nodes nodes: at most 200"
[ "$(id -u)" = 0 ] || die "needs root: it makes network namespaces, links and queues"
for tool in ip:iproute2 tc:iproute2 unshare:util-linux mpirun:openmpi-bin; do
  command -v "${tool%:*}" >/dev/null || die "${tool%:*} is missing (Debian: ${tool#*:})"
done
[[ $(mpirun --version 2>/dev/null) == *"Open MPI"* ]] || die "this mpirun is not Open MPI's"

# From here on there is something to clean up.
name=fc$$ folder=$(mktemp -d) child=""
node_pids() { for ((i = 0; i < nodes; ++i)); do ip netns pids "$name-$i" 2>/dev/null || true; done; }
clean_up() {
  trap '' INT TERM HUP EXIT
  if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
    kill -TERM "$child" 2>/dev/null || true
    for ((i = 0; i < 30; ++i)); do kill -0 "$child" 2>/dev/null || break; sleep 0.1; done
  fi
  local left; left=$(node_pids)
  [ -z "$left" ] || kill -KILL $left 2>/dev/null || true
  wait 2>/dev/null || true
  for ((i = 0; i < nodes; ++i)); do
    ip link delete "$name-$i" 2>/dev/null || true
    ip netns delete "$name-$i" 2>/dev/null || true
  done
  ip link delete "$name" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for ((n = 200; n < 256; ++n)); do
  [ -n "$(ip -4 route show root "10.$n.0.0/16"; ip -4 -o addr show to "10.$n.0.0/16")" ] || break
done
[ "$n" -lt 256 ] || die "10.200.0.0 to 10.255.0.0 are all in use"
subnet=10.$n.0

# shape INTERFACE [TC OPTION...]: what goes out of it. The bucket holds two of the kernel's largest packets (64 KB):
# smaller ones it would cut up, which costs processor time. The queue holds 4 MB, so that bursts are not dropped.
shape() {
  local interface=$1 place=(root); shift
  if [ "$rate" != 0 ]; then
    tc "$@" qdisc add dev "$interface" root handle 1: tbf rate "$rate" burst 128kb limit 4mb || die "tc cannot shape to $rate"
    place=(parent 1:1)
  fi
  [ "$delay" != 0 ] || return 0
  tc "$@" qdisc add dev "$interface" "${place[@]}" netem delay "$delay" limit 10000 2>"$folder/tc" && return
  [[ $(<"$folder/tc") != *unknown* ]] || die "this kernel has no netem, so that --delay cannot be had"
  die "tc cannot delay by $delay: $(<"$folder/tc")"
}

ip link add "$name" type bridge
ip addr add "$subnet.254/24" dev "$name"
ip link set "$name" mtu "$mtu" up
hosts=""
for ((i = 0; i < nodes; ++i)); do
  node=$name-$i
  ip netns add "$node"
  ip link add "$node" mtu "$mtu" type veth peer name cable mtu "$mtu" netns "$node"
  ip -n "$node" addr add "$subnet.$((i + 1))/24" dev cable
  ip -n "$node" link set lo up
  ip -n "$node" link set cable up
  ip link set "$node" master "$name" up
  ip -n "$node" route change "$subnet.0/24" dev cable src "$subnet.$((i + 1))" congctl "$congestion" 2>/dev/null ||
    die "no congestion control '$congestion' here, but: $(cat /proc/sys/net/ipv4/tcp_available_congestion_control)"
  shape cable -n "$node"
  shape "$node"
  on_it=$((ranks - i * per_node)); [ "$on_it" -le "$per_node" ] || on_it=$per_node
  hosts+=",$subnet.$((i + 1)):$on_it"
done

# What mpirun starts in place of ssh: its second argument on runs inside the node of that address. The host's name is
# changed too, or Open MPI would take all nodes for one.
cat >"$folder/agent" <<AGENT
#!/bin/sh
node=$name-\$((\${1##*.} - 1)); shift
exec ip netns exec "\$node" unshare --uts /bin/sh -c 'echo "\$0" >/proc/sys/kernel/hostname; eval "exec \$1"' "\$node" "\$*"
AGENT
chmod +x "$folder/agent"

if [ "$check" = 1 ]; then
  [ "$nodes" -ge 2 ] || die "--check needs two nodes"
  command -v python3 >/dev/null || die "--check needs python3"
  cat >"$folder/check.py" <<'PYTHON'
import socket, sys, threading, time
here, there, sends, receives = sys.argv[1], sys.argv[2], "s" in sys.argv[3], "r" in sys.argv[3]
def receive(listener):
    wire, seen, size, began = listener.accept()[0], bytearray(1 << 20), 0, None
    while got := wire.recv_into(seen):
        size += got
        began = began or time.monotonic()
        last = time.monotonic()
    print(f"network.sh: plain TCP {there} -> {here}{', both ways' if sends else ''}: "
          f"{size * 8e-6 / (last - began):.1f} Mbit/s of payload", file=sys.stderr)
threads = []
if receives:
    listener = socket.create_server((here, 7777))
    threads.append(threading.Thread(target=receive, args=(listener,)))
    threads[0].start()
if sends:
    for attempt in range(100):
        try: wire = socket.create_connection((there, 7777), timeout=5); break
        except OSError: time.sleep(0.05)
    wire.settimeout(None)
    end = time.monotonic() + 3
    while time.monotonic() < end: wire.sendall(bytes(1 << 18))
    wire.close()
for thread in threads: thread.join()
PYTHON
  for way in "s r" "sr sr"; do
    ip netns exec "$name-0" python3 "$folder/check.py" "$subnet.1" "$subnet.2" "${way% *}" &
    ip netns exec "$name-1" python3 "$folder/check.py" "$subnet.2" "$subnet.1" "${way#* }"
    wait $!
  done
fi

# Bytes that left and reached a node through its cable, Ethernet headers included.
count() {
  for ((i = 0; i < nodes; ++i)); do
    ip netns exec "$name-$i" sh -c 'echo $(cat /sys/class/net/cable/statistics/tx_bytes /sys/class/net/cable/statistics/rx_bytes)'
  done
}
[ "$counters" = 0 ] || mapfile -t before < <(count)

# Ranks sharing a processor have to give way while they wait; memory is shared on a node only where it has several ranks.
btl=tcp,self; [ "$per_node" = 1 ] || btl+=,vader
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
mpirun --np "$ranks" --host "${hosts#,}" --bind-to none \
  --mca plm_rsh_agent "$folder/agent" --mca plm_rsh_no_tree_spawn 1 --mca pml ob1 --mca btl "$btl" \
  --mca btl_tcp_if_include "$subnet.0/24" --mca oob_tcp_if_include "$subnet.0/24" \
  "${more[@]}" "$@" <&0 &
child=$!
status=0; wait "$child" || status=$?
child=""

if [ "$counters" = 1 ]; then
  mapfile -t after < <(count)
  for ((i = 0; i < nodes; ++i)); do
    read -r sent received <<<"${before[i]}"; read -r sent_now received_now <<<"${after[i]}"
    printf '{"node": %d, "sent_bytes": %d, "received_bytes": %d}\n' "$i" $((sent_now - sent)) $((received_now - received)) >&2
  done
fi
exit "$status"
