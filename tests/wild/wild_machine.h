// SPDX-License-Identifier: Apache-2.0
// Random machines as files: rates from 1 B/s to 10 PB/s, latencies from none to seconds, budgets, relays, one-way and parallel links, islands,
// servers with NICs, parts that nothing joins; 1 to 16 GPUs, some up to 64.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace p2plab::wild {

/// One machine; the same seed gives the same one.
class WildMachine {
 public:
  explicit WildMachine(std::uint64_t seed);

  /// p2plab's own description.
  std::string text() const;
  int gpus() const { return static_cast<int>(gpus_.size()); }

  /// A number from `least` to `most`.
  int between(int least, int most) { return least + static_cast<int>(random_() % static_cast<std::uint64_t>(most - least + 1)); }
  bool chance(int percent) { return between(1, 100) <= percent; }
  template <typename T>
  const T& one_of(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(between(0, static_cast<int>(all.size()) - 1))];
  }

 private:
  using Names = std::vector<std::string>;
  struct Link {
    std::string from;
    std::string to;
  };

  std::string rate();
  std::string latency();
  std::string add_node(const std::string& kind, const std::string& name);
  void link(const std::string& from, const std::string& to, const std::string& kind);
  void join(const std::string& a, const std::string& b, const std::string& kind);

  // What a part of the machine looks like: each adds so many GPUs and their links.
  Names part(int gpus);
  void sparse(const Names& gpus);
  void ring(const Names& gpus);
  void grid(const Names& gpus);
  void mesh(const Names& gpus);
  void switches(const Names& gpus);
  void servers(const Names& gpus);
  void shared_budgets();

  std::mt19937_64 random_;
  int rates_ = 0;        // how rates are chosen
  double usual_ = 1e11;  // bytes a second
  double ratio_ = 1;
  int latencies_ = 0;
  bool limits_ = false;
  int one_way_ = 0;  // percent
  int parallel_ = 0;
  int made_ = 0;
  Names gpus_;
  std::vector<Link> links_;
  std::string nodes_text_;
  std::string links_text_;
  std::string groups_text_;
};

}  // namespace p2plab::wild
