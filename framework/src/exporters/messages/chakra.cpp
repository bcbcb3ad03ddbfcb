// SPDX-License-Identifier: Apache-2.0
// Chakra execution traces (MLCommons): a file per rank, in protobuf's wire format, each message after its length: the metadata, then a node for each
// send, receive and calculation with the nodes it needs. Field numbers are those of et_def.proto.
#include <fmt/format.h>

#include "exporters/messages/message_graph.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

// Fields of protobuf messages, as bytes.
class Wire {
 public:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
  }
  void text(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  std::string take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Of AttributeProto.
enum class Value { int32 = 7, int64 = 9, uint64 = 13, boolean = 27 };
enum class NodeType : std::uint64_t { compute = 4, send = 5, receive = 6 };

std::string attribute(std::string_view name, Value kind, std::uint64_t value) {
  Wire wire;
  wire.text(1, name);
  wire.number(static_cast<int>(kind), value);
  return std::move(wire).take();
}

NodeType type_of(const MessageOp& op) {
  if (op.kind == MessageOp::Kind::compute) return NodeType::compute;
  return op.kind == MessageOp::Kind::send ? NodeType::send : NodeType::receive;
}

std::string name_of(const MessageOp& op) {
  if (op.step < 0) return "nothing";
  if (op.kind == MessageOp::Kind::compute) return fmt::format("step_{}_sum", op.step);
  return fmt::format("step_{}_{}{}", op.step, op.kind == MessageOp::Kind::send ? "send" : "receive", op.data ? "" : "_signal");
}

std::string node(std::size_t rank, std::size_t id, const MessageOp& op) {
  Wire wire;
  wire.number(1, id);
  wire.text(2, name_of(op));
  wire.number(3, static_cast<std::uint64_t>(type_of(op)));
  Wire packed;
  for (const auto before : op.after) packed.varint(before);
  if (!op.after.empty()) wire.text(5, std::move(packed).take());
  wire.text(10, attribute("is_cpu_op", Value::boolean, 0));
  if (op.kind == MessageOp::Kind::compute) {
    // ASTRA-sim divides the one by the other, and passes over a computation whose tensor is empty: one that only copies.
    wire.text(10, attribute("num_ops", Value::int64, static_cast<std::uint64_t>(op.additions)));
    wire.text(10, attribute("tensor_size", Value::uint64, static_cast<std::uint64_t>(op.additions > 0 ? op.bytes : 0)));
    return std::move(wire).take();
  }
  const auto peer = static_cast<std::uint64_t>(op.peer);
  const bool sends = op.kind == MessageOp::Kind::send;
  wire.text(10, attribute("comm_size", Value::int64, static_cast<std::uint64_t>(op.bytes)));
  wire.text(10, attribute("comm_src", Value::int32, sends ? rank : peer));
  wire.text(10, attribute("comm_dst", Value::int32, sends ? peer : rank));
  wire.text(10, attribute("comm_tag", Value::int32, op.tag));
  return std::move(wire).take();
}

class Chakra final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override { return has_message_graph(*job.program); }

  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto graph = message_graph(*job.topology, *job.program);
    if (!graph) return std::move(graph).error();
    std::vector<ExportedFile> files;
    for (std::size_t r = 0; r < graph->ranks.size(); ++r) {
      Wire metadata;
      metadata.text(1, "0.0.4");
      std::string text = delimited(std::move(metadata).take());
      auto& ops = graph->ranks[r];
      if (ops.empty()) ops.emplace_back();  // feeders want a node that waits for none in every file
      for (std::size_t o = 0; o < ops.size(); ++o) text += delimited(node(r, o, ops[o]));
      files.push_back({fmt::format(".{}.et", r), std::move(text)});
    }
    return files;
  }

  std::string how_to_load(const std::string&) const override {
    return "ASTRA-sim: --workload-configuration=NAME, the name without .RANK.et; switch roofline-enabled on for the cost of sums";
  }

 private:
  static std::string delimited(const std::string& message) {
    Wire wire;
    wire.varint(message.size());
    return std::move(wire).take() + message;
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> chakra() {
  return {
      "chakra", "execution traces for ASTRA-sim and others (protobuf; NAME.RANK.et for each rank)", {}, [] { return std::make_unique<Chakra>(); }};
}
}  // namespace exporters

}  // namespace p2plab
