// SPDX-License-Identifier: Apache-2.0
// MSCCL++'s execution plans as its parser and its kernel take them (mscclpp at 1f5f065): what is refused, and an interpreter of what is run.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2plab::test {

/// Why a plan is refused, or none.
inline std::optional<std::string> mscclpp_refuses(const nlohmann::json& plan) {
  for (const char* key : {"name", "collective", "protocol", "inplace", "gpus"}) {
    if (!plan.contains(key)) return std::string("no ") + key;
  }
  if (plan.value("min_message_size", std::int64_t{0}) >= (std::int64_t{1} << 31)) return "min_message_size";
  int id = 0;
  for (const auto& gpu : plan["gpus"]) {
    if (gpu["id"] != id++) return "GPUs out of order";
    if (gpu["input_chunks"] < 1 || gpu["output_chunks"] < 1) return "a buffer without chunks divides by zero";
    int block = 0;
    for (const auto& tb : gpu["threadblocks"]) {
      if (tb["id"] != block++) return "thread blocks out of order";
      if (tb["ops"].size() > 64) return "operations";
      std::size_t channels = 0;
      for (const auto& list : tb["channels"]) channels += list["channel_ids"].size();
      if (channels > 16) return "channels of a thread block";
      static const std::set<std::string> known{"nop", "put", "copy", "re", "signal", "wait", "sem_acquire", "sem_release"};
      for (const auto& op : tb["ops"]) {
        if (!known.contains(op["name"])) return "operation " + op["name"].get<std::string>();
        if (op.contains("channel_ids") && op["channel_ids"].size() > 8) return "channels of an operation";
        if (op.contains("semaphore_ids") && op["semaphore_ids"].size() > 16) return "semaphores of an operation";
      }
    }
  }
  return std::nullopt;
}

/// The kernel on values that say what they are; thread blocks go on in a random order.
class MscclppRun {
 public:
  using Value = std::map<int, int>;  // rank -> how often it is in the sum

  MscclppRun(const nlohmann::json& plan, unsigned seed) : plan_(plan), random_(seed), in_place_(plan["inplace"]) {
    for (const auto& gpu : plan_["gpus"]) {
      auto& rank = gpus_.emplace_back();
      for (const auto& [type, key] : {std::pair{'i', "input_chunks"}, std::pair{'o', "output_chunks"}, std::pair{'s', "scratch_chunks"}}) {
        auto& b = rank.buffers[in_place_ && type == 'i' ? 'o' : type];
        b.resize(std::max(b.size(), gpu[key].template get<std::size_t>()));
      }
      for (const auto& list : gpu["channels"]) {
        for (const auto& peer : list["connected_to"]) rank.peers.push_back(peer);
      }
      rank.arrived.resize(rank.peers.size());
      rank.semaphores.resize(gpu["semaphores"].size());
      rank.next.resize(gpu["threadblocks"].size());
    }
  }
  std::vector<Value>& buffer(std::size_t rank, char type) { return gpus_[rank].buffers[in_place_ && type == 'i' ? 'o' : type]; }

  void run() {
    std::vector<std::pair<std::size_t, std::size_t>> all;
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      for (std::size_t b = 0; b < gpus_[g].next.size(); ++b) all.emplace_back(g, b);
    }
    for (bool moved = true; moved;) {
      moved = false;
      std::ranges::shuffle(all, random_);
      for (const auto& [g, b] : all) moved = step(g, b) || moved;
    }
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      for (std::size_t b = 0; b < gpus_[g].next.size(); ++b) EXPECT_EQ(gpus_[g].next[b], block(g, b)["ops"].size()) << "a thread block hangs";
      for (const auto left : gpus_[g].arrived) EXPECT_EQ(left, 0) << "a signal that nobody waits for would free the next call too early";
      for (const auto left : gpus_[g].semaphores) EXPECT_EQ(left, 0);
    }
  }

 private:
  struct Gpu {
    std::map<char, std::vector<Value>> buffers;
    std::vector<int> peers;    // by channel
    std::vector<int> arrived;  // signals, by channel
    std::vector<int> semaphores;
    std::vector<std::size_t> next;  // by thread block
  };
  const nlohmann::json& block(std::size_t g, std::size_t b) const { return plan_["gpus"][g]["threadblocks"][b]; }

  // The k-th channel of a to b and the k-th of b to a are two ends of one.
  std::pair<std::size_t, std::size_t> other_end(std::size_t g, std::size_t channel) const {
    const auto peer = static_cast<std::size_t>(gpus_[g].peers.at(channel));
    std::size_t which = 0;
    for (std::size_t c = 0; c < channel; ++c) which += gpus_[g].peers[c] == gpus_[g].peers[channel] ? 1 : 0;
    for (std::size_t c = 0; c < gpus_[peer].peers.size(); ++c) {
      if (gpus_[peer].peers[c] == static_cast<int>(g) && which-- == 0) return {peer, c};
    }
    ADD_FAILURE() << "a channel without its other end";
    return {g, channel};
  }

  bool step(std::size_t g, std::size_t b) {
    auto& gpu = gpus_[g];
    const auto& tb = block(g, b);
    if (gpu.next[b] == tb["ops"].size()) return false;
    const auto& op = tb["ops"][gpu.next[b]];
    const std::string name = op["name"];
    std::vector<std::size_t> channels;
    for (const auto& id : op.value("channel_ids", std::vector<std::size_t>{})) channels.push_back(tb["channels"][0]["channel_ids"].at(id));
    const auto semaphores = op.value("semaphore_ids", std::vector<std::size_t>{});
    if (name == "wait") {
      for (const auto c : channels) {
        if (gpu.arrived.at(c) == 0) return false;
      }
      for (const auto c : channels) --gpu.arrived[c];
    } else if (name == "signal") {
      for (const auto c : channels) {
        const auto [peer, end] = other_end(g, c);
        ++gpus_[peer].arrived.at(end);
      }
    } else if (name == "sem_acquire") {
      for (const auto s : semaphores) {
        if (gpu.semaphores.at(s) == 0) return false;
      }
      for (const auto s : semaphores) --gpu.semaphores[s];
    } else if (name == "sem_release") {
      for (const auto s : semaphores) ++gpu.semaphores.at(s);
    } else if (name != "nop") {
      move(g, tb, op);
    }
    ++gpu.next[b];
    return true;
  }

  void move(std::size_t g, const nlohmann::json& tb, const nlohmann::json& op) {
    const auto& target = op["dst_buff"][0];
    auto peer = g;
    std::string type = target.value("type", "");
    if (target.contains("buffer_id")) {
      const auto& remote = plan_["gpus"][g]["remote_buffers"].at(
          tb["remote_buffer_refs"][0]["remote_buffer_ids"].at(target["buffer_id"].get<std::size_t>()).get<std::size_t>());
      peer = remote["rank"];
      type = remote["type"];
    }
    const std::size_t count = target["size"];
    for (std::size_t c = 0; c < count; ++c) {
      Value sum;
      for (const auto& source : op["src_buff"]) {
        const std::string from = source["type"];
        for (const auto& [rank, times] : buffer(g, from[0]).at(source["index"].get<std::size_t>() + c)) sum[rank] += times;
      }
      buffer(peer, type[0]).at(target["index"].get<std::size_t>() + c) = sum;
    }
  }

  nlohmann::json plan_;
  std::mt19937 random_;
  bool in_place_;
  std::vector<Gpu> gpus_;
};

}  // namespace p2plab::test
