// SPDX-License-Identifier: Apache-2.0
// Presets beside graphs of the same machines that others wrote down.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "p2plab/machine/cuts.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "support/reference.h"

namespace p2plab::presets_reference_test {
namespace {

using test::machine;

// The same capacities between each two nodes, whatever the switches are called: compared by what each pair of GPUs, each GPU and the worst cut can
// carry.
void expect_same_capacities(const Topology& ours, const Topology& theirs, const std::vector<Rank>& order) {
  ASSERT_EQ(ours.ranks(), theirs.ranks());
  const auto our_degrees = degrees(ours);
  const auto their_degrees = degrees(theirs);
  const auto& our_routes = ours.routes();
  const auto& their_routes = theirs.routes();
  for (std::int64_t i = 0; i < ours.ranks(); ++i) {
    const Rank a{i};
    EXPECT_EQ(our_degrees[a.index()].out, their_degrees[order[a.index()].index()].out) << i;
    EXPECT_EQ(our_degrees[a.index()].in, their_degrees[order[a.index()].index()].in) << i;
    for (std::int64_t j = 0; j < ours.ranks(); ++j) {
      const Rank b{j};
      const auto width = their_routes.bottleneck(their_routes.between(order[a.index()], order[b.index()]));
      EXPECT_EQ(our_routes.bottleneck(our_routes.between(a, b)).gbps(), width.gbps()) << i << " " << j;
    }
  }
  EXPECT_EQ(bottleneck_cut(ours)->capacity, bottleneck_cut(theirs)->capacity);
}

// The reference of MI250X numbers its dies as if their numbers were words: 0, 1, 10, 11, ..., 15, 2, 3, ...
std::vector<Rank> order_of_words(int ranks) {
  std::vector<std::string> words;
  for (int r = 0; r < ranks; ++r) words.push_back(std::to_string(r));
  std::ranges::sort(words);
  std::vector<Rank> order(words.size());
  for (std::size_t place = 0; place < words.size(); ++place) order[std::stoul(words[place])] = Rank{static_cast<std::int64_t>(place)};
  return order;
}

std::vector<Rank> same_order(int ranks) {
  std::vector<Rank> order;
  for (int r = 0; r < ranks; ++r) order.emplace_back(r);
  return order;
}

TEST(Presets, ThoseWithAReferenceGraphHaveItsCapacities) {
  const auto folder = test::reference_folder();
  if (!folder) GTEST_SKIP() << "no reference graphs beside the project; set P2PLAB_REFERENCE to their folder";
  const std::map<std::string, std::string> pairs{{"a100x1", "dgx-a100"},
                                                 {"a100x2", "dgx-a100:nodes=2,network=rail,rails=2"},
                                                 {"dgx1_p100", "dgx-p100"},
                                                 {"dgx1v_5gpu", "dgx-v100:gpus=5"},
                                                 {"dgx1v_nvsmi", "dgx-v100"},
                                                 {"dgx2", "dgx-2"},
                                                 {"full8", "full-mesh:gpus=8,bandwidth=1"},
                                                 {"hypercube3", "hypercube:bandwidth=1"},
                                                 {"mesh4x4", "mesh:bandwidth=1"},
                                                 {"mi250x1", "mi250x"},
                                                 {"mi300x", "mi300x"},
                                                 {"pcie8", "pcie-server:gen=3,upi=18"},
                                                 {"ring8", "ring:bandwidth=1"},
                                                 {"torus4x4", "torus:bandwidth=1"},
                                                 {"uniring8", "ring:bandwidth=1,directions=one"}};
  for (const auto& [name, preset] : pairs) {
    SCOPED_TRACE(name);
    const auto theirs = test::reference_graph(*folder, name);
    ASSERT_TRUE(theirs);
    expect_same_capacities(machine(preset), *theirs, name == "mi250x1" ? order_of_words(16) : same_order(theirs->ranks()));
  }
}

}  // namespace
}  // namespace p2plab::presets_reference_test
