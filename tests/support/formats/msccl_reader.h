// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML as its readers take it (microsoft/msccl at b23e9cd, RCCL at 0cbce2a): what they refuse, and an interpreter of what they run.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "p2plab/base/result.h"

namespace p2plab::test {

struct MscclReader {
  int steps = 256;
  int blocks = 216;
  const char* reduce_scatter = "reduce_scatter";
};
inline constexpr MscclReader rccl_reader{.steps = 64, .blocks = 64, .reduce_scatter = "reducescatter"};

/// One GPU of a file, as it is read on that GPU.
struct MscclGpuReader {
  const MscclReader& reader;
  pugi::xml_node gpu;
  int id = 0;
  int gpus = 0;
  int channels = 0;
  std::map<int, int> senders = {};  // by channel
  std::map<int, int> receivers = {};
  std::set<std::tuple<int, int, bool>> connections = {};
  int elements = 0;

  int chunks(char buffer) const { return gpu.attribute(buffer == 'i' ? "i_chunks" : (buffer == 'o' ? "o_chunks" : "s_chunks")).as_int(); }

  std::optional<std::string> refuses() {
    elements = 1 + gpus;
    int block = 0;
    for (auto tb : gpu.children("tb")) {
      ++elements;
      if (tb.attribute("id").as_int() != block++) return "thread blocks out of order";
      if (auto why = refuses_ends(tb)) return why;
      if (auto why = refuses_steps(tb)) return why;
    }
    if (block > reader.blocks) return "thread blocks: " + std::to_string(block);
    if (elements >= 4096) return "XML elements: " + std::to_string(elements);
    return std::nullopt;
  }

  std::optional<std::string> refuses_ends(pugi::xml_node tb) {
    const int send = tb.attribute("send").as_int(-2);
    const int receive = tb.attribute("recv").as_int(-2);
    const int channel = tb.attribute("chan").as_int(-1);
    if (send < -1 || receive < -1 || send >= gpus || receive >= gpus || send == id || receive == id) return "a peer";
    if (channel < 0 || channel > 31 || channel >= channels) return "channel " + std::to_string(channel);
    if (send >= 0 && (++senders[channel] > 32 || !connections.emplace(send, channel, true).second)) return "too many senders on a channel";
    if (receive >= 0 && (++receivers[channel] > 32 || !connections.emplace(receive, channel, false).second)) return "too many receivers on a channel";
    return std::nullopt;
  }

  std::optional<std::string> refuses_steps(pugi::xml_node tb) {
    bool pending = false;  // a nop's wait must be carried by the next transfer, which needs one of its own
    int number = 0;
    for (auto step : tb.children("step")) {
      ++elements;
      if (step.attribute("s").as_int() != number++ || number > reader.steps) return "steps: " + std::to_string(number);
      const std::string type = step.attribute("type").value();
      const int wait = step.attribute("depid").as_int();
      if (wait > 127) return "waits for thread block " + std::to_string(wait);
      if (type == "nop") {
        pending = true;
        continue;
      }
      if (pending && wait < 0) return "a chain of waits ends in a step without one";
      pending = false;
      const int count = step.attribute("cnt").as_int();
      if (count < 1 || count >= 72) return "cnt " + std::to_string(count);
      if ((type == "s" && tb.attribute("send").as_int() < 0) || (type == "r" && tb.attribute("recv").as_int() < 0)) return "a step without a peer";
      const int from = step.attribute("srcoff").as_int();
      const int to = step.attribute("dstoff").as_int();
      if (from > 32767 || to > 32767) return "an offset of more than 15 bits";
      if (type != "r" && from + count > chunks(step.attribute("srcbuf").value()[0])) return "a source outside its buffer";
      if (type != "s" && to + count > chunks(step.attribute("dstbuf").value()[0])) return "a destination outside its buffer";
    }
    return std::nullopt;
  }
};

/// Why a reader refuses a file, rank by rank; none if it takes it.
inline std::optional<std::string> msccl_refuses(const std::string& xml, const MscclReader& reader) {
  if (xml.starts_with("<?")) return "a declaration";
  if (xml.find('\t') != std::string::npos) return "a tab";
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) return "no XML";
  const auto algo = document.child("algo");
  for (const char* needed : {"name", "proto", "nchannels", "nchunksperloop", "ngpus", "coll", "inplace", "outofplace", "minBytes", "maxBytes"}) {
    if (!algo.attribute(needed)) return std::string("algo without ") + needed;
  }
  if (std::string(algo.attribute("name").value()).size() > 63) return "a long name";
  const std::string coll = algo.attribute("coll").value();
  const int ngpus = algo.attribute("ngpus").as_int();
  const bool scatters = coll == reader.reduce_scatter;
  if (!scatters && coll != "allreduce" && coll != "allgather" && coll != "alltoall") return "collective " + coll;
  const int per_loop = algo.attribute("nchunksperloop").as_int();
  int id = 0;
  for (auto gpu : algo.children("gpu")) {
    if (gpu.attribute("id").as_int() != id) return "GPUs out of order";
    MscclGpuReader one{.reader = reader, .gpu = gpu, .id = id++, .gpus = ngpus, .channels = algo.attribute("nchannels").as_int()};
    const int inputs = one.chunks('i') * (coll == "allgather" ? ngpus : 1);
    const int outputs = one.chunks('o') * (scatters ? ngpus : 1);
    if ((inputs > 0 && inputs != per_loop) || (outputs > 0 && outputs != per_loop)) return "chunks of a loop";
    if (auto why = one.refuses()) return why;
  }
  if (id != ngpus) return "GPUs missing";
  return std::nullopt;
}

/// MSCCL's interpreter on values that say what they are: how often each rank's contribution to each chunk is in it.
class MscclRun {
 public:
  MscclRun(const std::string& xml, bool in_place) : in_place_(in_place) {
    expects(static_cast<bool>(document_.load_string(xml.c_str())));
    algo_ = document_.child("algo");
    for (auto gpu : algo_.children("gpu")) {
      auto& blocks = gpus_.emplace_back();
      for (auto tb : gpu.children("tb")) {
        auto& block = blocks.emplace_back();
        block.node = tb;
        for (auto step : tb.children("step")) block.steps.push_back(step);
      }
    }
    std::size_t g = 0;
    for (auto gpu : algo_.children("gpu")) {
      for (const auto& [name, which] : {std::pair{'i', "i_chunks"}, std::pair{'o', "o_chunks"}, std::pair{'s', "s_chunks"}}) {
        auto& b = buffer(g, name);
        b.resize(std::max(b.size(), static_cast<std::size_t>(gpu.attribute(which).as_int())));
      }
      ++g;
    }
  }

  using Value = std::map<int, int>;  // rank -> how often it is in the sum
  std::vector<Value>& buffer(std::size_t gpu, char name) { return buffers_[{gpu, in_place_ && name == 'i' ? 'o' : name}]; }

  /// Runs blocks in turn, each as far as it gets; at most eight messages lie in a connection.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t g = 0; g < gpus_.size(); ++g) {
        for (auto& block : gpus_[g]) {
          while (step(g, block)) moved = true;
        }
      }
    }
    for (const auto& gpu : gpus_) {
      for (const auto& block : gpu) EXPECT_EQ(block.next, block.steps.size()) << "a thread block hangs";
    }
  }

 private:
  struct Block {
    pugi::xml_node node;
    std::vector<pugi::xml_node> steps;
    std::size_t next = 0;
  };

  bool step(std::size_t g, Block& block) {
    if (block.next == block.steps.size()) return false;
    const auto node = block.steps[block.next];
    if (const auto wait = node.attribute("depid").as_int(); wait >= 0) {
      const auto& other = gpus_[g].at(static_cast<std::size_t>(wait));
      const auto awaited = node.attribute("deps").as_uint();
      EXPECT_EQ(other.steps.at(awaited).attribute("hasdep").as_int(), 1);
      if (other.next <= awaited) return false;
    }
    if (!act(g, block.node, node)) return false;
    ++block.next;
    return true;
  }

  bool act(std::size_t g, pugi::xml_node tb, pugi::xml_node node) {
    const std::string type = node.attribute("type").value();
    if (type == "nop") return true;
    const auto count = node.attribute("cnt").as_uint();
    auto& from = buffer(g, node.attribute("srcbuf").value()[0]);
    auto& to = buffer(g, node.attribute("dstbuf").value()[0]);
    const auto source = node.attribute("srcoff").as_uint();
    const auto target = node.attribute("dstoff").as_uint();
    const auto channel = tb.attribute("chan").as_int();
    const auto me = static_cast<int>(g);
    if (type == "s") {
      auto& wire = wires_[{me, tb.attribute("send").as_int(), channel}];
      if (wire.size() >= 8) return false;
      std::vector<Value> message;
      for (std::size_t c = 0; c < count; ++c) message.push_back(from.at(source + c));
      wire.push_back(std::move(message));
      return true;
    }
    if (type == "r") {
      auto& wire = wires_[{tb.attribute("recv").as_int(), me, channel}];
      if (wire.empty()) return false;
      EXPECT_EQ(wire.front().size(), count);
      for (std::size_t c = 0; c < count; ++c) to.at(target + c) = wire.front()[c];
      wire.erase(wire.begin());
      return true;
    }
    EXPECT_TRUE(type == "cpy" || type == "re") << type;
    for (std::size_t c = 0; c < count; ++c) {
      const auto value = from.at(source + c);
      if (type == "cpy")
        to.at(target + c) = value;
      else
        for (const auto& [rank, times] : value) to.at(target + c)[rank] += times;
    }
    return true;
  }

  bool in_place_;
  pugi::xml_document document_;
  pugi::xml_node algo_;
  std::vector<std::vector<Block>> gpus_;
  std::map<std::pair<std::size_t, char>, std::vector<Value>> buffers_;
  std::map<std::tuple<int, int, int>, std::vector<std::vector<Value>>> wires_;
};

}  // namespace p2plab::test
