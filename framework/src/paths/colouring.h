// SPDX-License-Identifier: Apache-2.0
// Vertices in classes that no count of arcs and neighbours tells apart: refined from where it stands, and taken back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace p2plab {

/// What hangs together: arcs by vertex, each seen from both ends, with labels that tell its kinds and directions apart.
struct LabelledGraph {
  struct Arc {
    int other;
    std::uint64_t label;
  };
  std::vector<std::vector<Arc>> arcs;
};

/// The coarsest partition of vertices in which all of a class have the same arcs into each class (Paige and Tarjan, 1987, as in McKay's nauty): a
/// class that was parted parts its neighbours only, and of its parts the largest need not be looked at. Two partitions that come of the same steps
/// have the same trace if some mapping of the graph carries one to the other.
class Colouring {
 public:
  /// Vertices of one colour begin in one class. `graph` outlives it.
  Colouring(const LabelledGraph& graph, std::span<const std::uint64_t> colours);

  /// The number of a vertex's class; alike in all partitions of the same trace.
  int class_of(int vertex) const { return start_[at(vertex)]; }
  std::span<const int> members(int number) const { return std::span(order_).subspan(at(number), static_cast<std::size_t>(size_[at(number)])); }
  bool is_alone(int vertex) const { return size_[at(class_of(vertex))] == 1; }
  const std::vector<int>& classes() const& { return start_; }

  /// Puts a vertex into a class of its own. `refine` follows.
  void single_out(int vertex);
  /// Returns how many arcs were looked at.
  std::int64_t refine();
  std::uint64_t trace() const { return trace_; }

  struct State {
    std::size_t parted = 0;
    std::uint64_t trace = 0;
  };
  /// Between refinements only.
  State state() const { return {parted_.size(), trace_}; }
  void go_back(const State& state);

 private:
  struct Touched {
    int number;          // of the class
    std::uint64_t arcs;  // into the class at hand
    int vertex;
    auto key() const { return std::pair{number, arcs}; }
  };
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  void look_at(int number);
  void part(std::span<const Touched> touched);
  void cut(int number, int from);
  void move_to(int vertex, int place);
  void ask(int number);

  const LabelledGraph& graph_;
  std::vector<int> order_;  // vertices by class
  std::vector<int> place_;  // of each vertex in it
  std::vector<int> start_;  // by vertex: where its class starts, which is the class's number
  std::vector<int> size_;   // by class
  std::vector<int> open_;   // classes to look at
  std::vector<bool> is_open_;
  std::vector<std::pair<int, int>> parted_;  // a class, and the one that was cut off its end
  std::vector<std::uint64_t> sums_;          // by vertex; zero between looks
  std::vector<Touched> touched_;
  std::vector<int> looked_at_;
  std::uint64_t trace_ = 0;
  std::int64_t visits_ = 0;
};

/// A good scatter of two words into one (the finisher of SplitMix64).
std::uint64_t scattered(std::uint64_t a, std::uint64_t b);

}  // namespace p2plab
