#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# namespaces_test.sh PROGRAM [STAGE]: network namespaces of this machine as servers. Plans over servers with real data, also over a wire that delays and
# loses packets (lossy_wire.py), a rank that starts late, a network interface that drops, a wire that is cut, and the job after each; with STAGE (the
# programs of tests/unit/kernels/nccl_programs) libp2plab's communicators, too, which meet over TCP by an exchange, and the shim's. Needs root and
# iproute2; exit code 77, with the reason, without. Nothing is judged by the clock: what would not end is ended by `timeout`, and then says nothing.
set -uo pipefail
program=$1 stage=${2:-}
skip() { echo "skipped: $1"; exit 77; }
command -v ip >/dev/null || skip "no iproute2"
a=p2plab_a_$$ b=p2plab_b_$$ work=$(mktemp -d)
wire=
clean() {
  [[ -z $wire ]] || kill "$wire" 2>/dev/null
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
address=10.77.0.1:29600 late=
# start ARGUMENTS...: four ranks on two servers, in the background; rank `late` comes once the others have begun to wait for it.
start() {
  local rank
  jobs=()
  for rank in 0 1 2 3; do
    [[ $rank != "$late" ]] || until ip netns exec "$b" grep -q ' 01 ' /proc/net/tcp; do sleep 0.05; done
    RANK=$rank WORLD_SIZE=4 P2PLAB_SECRET=0123456789abcdef P2PLAB_ADDRESS=$address \
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
late=3
right "a rank that starts late" --algorithm hierarchical -b 1000 -e 1000 -n 2
late=

# ended_by WHAT INTERFACE BROKEN...: both sides of a job that moves data over INTERFACE end by themselves once BROKEN was run, and each that is left
# names a rank of the other.
ended_by() {
  local what=$1 interface=$2 before job
  shift 2
  start --algorithm hierarchical -b 100K -e 100K -n 100000
  received() { ip netns exec "$a" cat "/sys/class/net/$interface/statistics/rx_bytes"; }
  before=$(received)
  while kill -0 "${jobs[0]}" 2>/dev/null && [[ $(received) -lt $((before + 2000000)) ]]; do sleep 0.1; done
  "$@"
  for job in "${jobs[@]}"; do wait "$job"; done
  if grep -Eq '(of|^error:) rank [23]' "$work/err0" && { [[ $1 == lose ]] || grep -q 'rank 0' "$work/err2"; }; then
    echo "right: $what ends the job: $(head -n 1 "$work/err0")"
  else
    failed=1
    echo "WRONG: $what: $(cat "$work"/err*)"
  fi
}
export P2PLAB_SILENCE=4 P2PLAB_DEADLINE=20
ended_by "an interface that drops" pa ip -n "$b" link set pb down
ip -n "$b" link set pb up
right "the job after it" --algorithm ring -b 1000 -e 1000 -n 2
lose() { ip netns pids "$b" | xargs kill -KILL; }
ended_by "a server that dies" pa lose
right "the job after it" --algorithm ring -b 1000 -e 1000 -n 2

# Packets later and some of them lost, as on a network that is overloaded; then none at all.
if coproc python3 "$(dirname "$0")/lossy_wire.py" "$a" 10.78.0.1 "$b" 10.78.0.2 2 0.01 2>"$work/why" && wire=$COPROC_PID && read -r up <&"${COPROC[0]}"; then
  address=10.78.0.1:29600
  for algorithm in hierarchical ring forest; do right "$algorithm with 2 ms of delay and 1 % loss" --algorithm "$algorithm" -b 1000 -e 100000 -f 10 -n 2; done
  ended_by "a wire that is cut" p2plab_wire kill -USR1 "$wire"
  exec {from_wire}<&"${COPROC[0]}"
  kill "$wire"
  read -r counted <&"$from_wire"
  [[ $counted =~ ,\ [1-9][0-9]*\ lost ]] && echo "of them $counted" || { failed=1; echo "WRONG: the wire lost nothing: $counted"; }
  address=10.77.0.1:29600
  right "the job after it, over the other network" --algorithm ring -b 1000 -e 1000 -n 2
else
  echo "left out: delay and loss: $(head -n 1 "$work/why")"
fi
unset P2PLAB_SILENCE P2PLAB_DEADLINE

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
  rm "$work"/exchange_*
  jobs=()
  for rank in 0 1 2 3; do
    NCCL_HOSTID=$(space_of $rank) ip netns exec "$(space_of $rank)" "$stage/p2plab_nccl_client" "$stage/libp2plab-nccl.so" $rank 4 10 1 >"$work/out$rank" 2>&1 &
    jobs+=($!)
  done
  if finish && [[ $(cat "$work"/out? | grep -Ec 'calls right; served [1-9]') -eq 4 ]] && grep -q 'on 2 servers: plans by stages serve' "$work/out0"; then
    echo "right: a program of NCCL's under the shim"
  else
    failed=1
    echo "WRONG: a program of NCCL's under the shim: $(cat "$work"/out?)"
  fi
fi
exit "$failed"
