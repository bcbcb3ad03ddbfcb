#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# namespaces_test.sh PROGRAM [STAGE]: network namespaces of this machine as servers. Plans over servers with real data, also with delay and loss (tc netem),
# a network interface that drops, and the job after it; with STAGE (the programs of tests/unit/kernels/nccl_programs) libp2plab's communicators, too, which
# meet over TCP by an exchange. Needs root and iproute2; exit code 77, with the reason, without.
set -uo pipefail
program=$1 stage=${2:-}
skip() { echo "skipped: $1"; exit 77; }
command -v ip >/dev/null || skip "no iproute2"
a=p2plab_a_$$ b=p2plab_b_$$ work=$(mktemp -d)
clean() {
  ip netns del "$a" 2>/dev/null
  ip netns del "$b" 2>/dev/null
  rm -rf "$work"
}
trap clean EXIT
ip netns add "$a" 2>"$work/why" && ip netns add "$b" 2>>"$work/why" || skip "no network namespaces: $(head -n 1 "$work/why")"
ip link add pa netns "$a" type veth peer name pb netns "$b" 2>"$work/why" || skip "no virtual interfaces: $(head -n 1 "$work/why")"
ip -n "$a" addr add 10.77.0.1/24 dev pa && ip -n "$b" addr add 10.77.0.2/24 dev pb || skip "no addresses"
for each in "$a pa" "$b pb"; do
  read -r space interface <<<"$each"
  ip -n "$space" link set lo up && ip -n "$space" link set "$interface" up
done

failed=0
space_of() { if [[ $1 -lt 2 ]]; then echo "$a"; else echo "$b"; fi; }
# start ARGUMENTS...: four ranks on two servers, in the background.
start() {
  local rank
  jobs=()
  for rank in 0 1 2 3; do
    RANK=$rank WORLD_SIZE=4 P2PLAB_SECRET=0123456789abcdef P2PLAB_ADDRESS=10.77.0.1:29600 \
      ip netns exec "$(space_of $rank)" timeout 60 "$program" bench --executor host --launched --topology hgx-h100:nodes=2,gpus=2 "$@" \
      >"$work/out$rank" 2>"$work/err$rank" &
    jobs+=($!)
  done
}
finish() {
  local job code=0
  for job in "${jobs[@]}"; do wait "$job" || code=1; done
  return "$code"
}
# right WHAT ARGUMENTS...
right() {
  local what=$1
  shift
  start "$@"
  if finish && grep -q 'Out of bounds values : 0 OK' "$work/out0"; then
    echo "right: $what"
  else
    failed=1
    echo "WRONG: $what: $(cat "$work"/err* "$work/out0")"
  fi
}

for algorithm in hierarchical ring forest; do right "$algorithm" --algorithm "$algorithm" -b 1000 -e 100000 -f 10 -n 2; done
if tc -n "$a" qdisc add dev pa root netem delay 2ms loss 1% 2>"$work/why"; then
  for algorithm in hierarchical ring forest; do right "$algorithm with 2 ms of delay and 1 % loss" --algorithm "$algorithm" -b 1000 -e 100000 -f 10 -n 2; done
  tc -n "$a" qdisc del dev pa root
else
  echo "left out: delay and loss: $(head -n 1 "$work/why")"
fi

# Both sides end by themselves (timeout ends with 124), and each names a rank of the other.
export P2PLAB_SILENCE=4 P2PLAB_DEADLINE=20
start --algorithm hierarchical -b 1M -e 1M -n 100000
received() { ip netns exec "$a" cat /sys/class/net/pa/statistics/rx_bytes; }
before=$(received)
while kill -0 "${jobs[0]}" 2>/dev/null && [[ $(received) -lt $((before + 20000000)) ]]; do sleep 0.1; done
ip -n "$b" link set pb down
late=0
for job in "${jobs[@]}"; do
  wait "$job"
  [[ $? -ne 124 ]] || late=1
done
if [[ $late -eq 0 ]] && grep -q 'of rank [23]' "$work/err0" && grep -q 'rank 0' "$work/err2"; then
  echo "right: an interface that drops ends the job: $(head -n 1 "$work/err0")"
else
  failed=1
  echo "WRONG: an interface that drops: $(cat "$work"/err*)"
fi
unset P2PLAB_SILENCE P2PLAB_DEADLINE
ip -n "$b" link set pb up
right "the job after it" --algorithm ring -b 1000 -e 1000 -n 2

if [[ -x $stage/p2plab_servers_client ]]; then
  export P2PLAB_TEST_FOLDER=$work P2PLAB_NCCL=$stage/nccl/libnccl.so.2 P2PLAB_PREPARE='' P2PLAB_BACKEND=p2p
  jobs=()
  for rank in 0 1 2 3; do
    NCCL_HOSTID=$(space_of $rank) ip netns exec "$(space_of $rank)" "$stage/p2plab_servers_client" "$stage/libp2plab.so.1" exchange $rank 4 30 1 \
      >"$work/out$rank" 2>&1 &
    jobs+=($!)
  done
  if finish && [[ $(cat "$work"/out? | grep -c '30 calls right; p2p: hierarchical') -eq 4 ]]; then
    echo "right: communicators that meet by an exchange"
  else
    failed=1
    echo "WRONG: communicators that meet by an exchange: $(cat "$work"/out?)"
  fi
fi
exit "$failed"
