// SPDX-License-Identifier: Apache-2.0
#include "exporters/msccl/xml_text.h"

#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "exporters/xml_attribute.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr std::size_t longest_name = 63;

const char* type_of(MscclStep::Kind kind) {
  switch (kind) {
    case MscclStep::Kind::send: return "s";
    case MscclStep::Kind::receive: return "r";
    case MscclStep::Kind::copy: return "cpy";
    case MscclStep::Kind::add: return "re";
    case MscclStep::Kind::nothing: break;
  }
  return "nop";
}

// MSCCL has no Lamport packets; LL ones are the nearest. Its `simple` knows a way through host memory.
const char* protocol_of(const Program& program) {
  if (!program.packets || program.tuning.protocol == Protocol::simple) return "Simple";
  return program.packets->wire == PacketWire::ll128 ? "LL128" : "LL";
}

std::string name_of(CollectiveKind kind, const MscclDialect& dialect) {
  using enum CollectiveKind;
  if (kind == all_reduce) return "allreduce";
  if (kind == all_gather) return "allgather";
  return kind == all_to_all ? "alltoall" : dialect.reduce_scatter;
}

void add_step(pugi::xml_node block, const MscclStep& step, std::size_t number) {
  auto node = block.append_child("step");
  set(node, "s", number);
  set(node, "type", type_of(step.kind));
  set(node, "srcbuf", step.from.buffer);
  set(node, "srcoff", step.from.offset);
  set(node, "dstbuf", step.to.buffer);
  set(node, "dstoff", step.to.offset);
  set(node, "cnt", step.count);
  set(node, "depid", step.after_block);
  set(node, "deps", step.after_step);
  set(node, "hasdep", step.awaited ? 1 : 0);
}

void add_gpu(pugi::xml_node algo, const MscclGpu& gpu, std::size_t id) {
  auto node = algo.append_child("gpu");
  set(node, "id", id);
  set(node, "i_chunks", gpu.buffers.input);
  set(node, "o_chunks", gpu.buffers.output);
  set(node, "s_chunks", gpu.buffers.scratch);
  for (std::size_t b = 0; b < gpu.blocks.size(); ++b) {
    auto block = node.append_child("tb");
    set(block, "id", b);
    set(block, "send", gpu.blocks[b].ends.send);
    set(block, "recv", gpu.blocks[b].ends.receive);
    set(block, "chan", gpu.blocks[b].ends.channel);
    for (std::size_t s = 0; s < gpu.blocks[b].steps.size(); ++s) add_step(block, gpu.blocks[b].steps[s], s);
  }
}

}  // namespace

Result<std::string> msccl_xml_text(const ExportJob& job, const MscclDialect& dialect) {
  auto steps = msccl_steps(job.plan->schedule, *job.program, dialect.limits);
  if (!steps) return std::move(steps).error();
  const auto& first = steps->gpus.front().buffers;
  const bool in_place = job.program->in_place;
  pugi::xml_document document;
  auto algo = document.append_child("algo");
  set(algo, "name", job.plan->planner.substr(0, longest_name));
  set(algo, "proto", protocol_of(*job.program));
  set(algo, "nchannels", steps->channels);
  set(algo, "nchunksperloop", std::max(first.input, first.output));
  set(algo, "ngpus", steps->gpus.size());
  set(algo, "coll", name_of(steps->collective, dialect));
  set(algo, "inplace", in_place ? 1 : 0);
  set(algo, "outofplace", in_place ? 0 : 1);
  set(algo, "minBytes", job.from.count());
  set(algo, "maxBytes", job.to.count() - (dialect.to_included ? 1 : 0));
  for (std::size_t g = 0; g < steps->gpus.size(); ++g) add_gpu(algo, steps->gpus[g], g);
  std::ostringstream text;
  document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);  // the readers know neither declarations nor tabs
  return text.str();
}

}  // namespace p2plab
