// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/packet_wire.h"

namespace p2plab {

std::string_view to_string(PacketWire wire) {
  if (wire == PacketWire::ll) return "LL";
  return wire == PacketWire::ll128 ? "LL128" : "Lamport";
}

Bytes wire_bytes(PacketWire wire, Bytes data) { return Bytes{packets_of(wire, data.count()) * packet_bytes}; }

Bytes wire_bytes(Protocol protocol, Bytes data) {
  switch (protocol) {
    case Protocol::ll: return wire_bytes(PacketWire::ll, data);
    case Protocol::ll128: return wire_bytes(PacketWire::ll128, data);
    case Protocol::lamport: return wire_bytes(PacketWire::lamport, data);
    case Protocol::simple:
    case Protocol::copy: break;
  }
  return data;
}

bool can_be_lamport(const Payload& payload) {
  const bool sums = payload.op == ReduceOp::sum || payload.op == ReduceOp::average;
  return sums && (payload.type == DataType::float16 || payload.type == DataType::bfloat16 || payload.type == DataType::float32);
}

}  // namespace p2plab
