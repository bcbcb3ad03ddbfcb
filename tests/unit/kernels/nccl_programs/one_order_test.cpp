// SPDX-License-Identifier: Apache-2.0
// P2PLAB_ORDER=fixed in libp2plab on GPUs that are CPU threads: bit for bit the ranks in their order, whatever the size, the place, the alignment,
// the batch of calls and the number of ranks.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "support/host_gpu/enqueue.h"
#include "support/scratch.h"
#include "unit/kernels/nccl_programs/fused_group.h"

namespace p2plab::one_order_test {
namespace {

using test::Group;
using test::last_error;
using test::library_function;
using test::Variable;

// Calls of the test with random ones: 700, or what P2PLAB_ORDER_CASES says.
int cases_in_all() {
  const char* const given = std::getenv("P2PLAB_ORDER_CASES");
  return given == nullptr ? 700 : std::atoi(given);
}

p2plab_config fixed_order() {
  p2plab_config config = P2PLAB_CONFIG;
  config.order = "fixed";
  return config;
}

struct Piece {
  std::size_t begin = 0;
  std::size_t count = 0;
  std::size_t in = 0;   // elements that its copy lies behind an aligned address
  std::size_t out = 0;  // the same of the result; only where it is not in place
  bool in_place = false;
};

// A tensor a rank, random calls on pieces of it, and the sums of the ranks in their order, in float and rounded once.
template <class E>
class Pieces {
 public:
  using Number = typename E::Stored;
  Pieces(const Group& group, p2plab_type type, std::mt19937& draw) : group_(group), type_(type), draw_(draw), data_(group.comms.size()) {}

  // Puts calls on new pieces on the streams, or captures them.
  void call(int calls) {
    pieces_.clear();
    inputs_.clear();
    outputs_.clear();
    for (int i = 0; i < calls; ++i) pieces_.push_back(drawn());
    for (std::size_t r = 0; r < data_.size(); ++r) {
      for (const auto& piece : pieces_) {
        inputs_.push_back(std::vector<Number>(piece.count + 24));
        outputs_.push_back(std::vector<Number>(piece.in_place ? 0 : piece.count + 24));
      }
    }
    fill();
    for (std::size_t r = 0; r < data_.size(); ++r) {
      for (std::size_t i = 0; i < pieces_.size(); ++i) call(r, i);
    }
  }
  void call(std::size_t rank, std::size_t i) {
    EXPECT_EQ(library_function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(input(rank, i), output(rank, i), pieces_[i].count, type_, P2PLAB_SUM,
                                                                                 group_.comms[rank], group_.streams[rank]),
              P2PLAB_OK)
        << last_error();
  }
  // New numbers for all pieces.
  void fill() {
    sums_.assign(elements, 0);
    for (std::size_t r = 0; r < data_.size(); ++r) {
      data_[r].resize(elements);
      for (std::size_t i = 0; i < elements; ++i) {
        data_[r][i] = E::store(static_cast<float>(static_cast<std::int32_t>(draw_() >> 8U) - (1 << 23)) * 1.1e-6F);
        sums_[i] = r == 0 ? E::load(data_[r][i]) : sums_[i] + E::load(data_[r][i]);
      }
      for (std::size_t i = 0; i < pieces_.size(); ++i) std::copy_n(&data_[r][pieces_[i].begin], pieces_[i].count, input(r, i));
    }
  }
  // Elements with other bits than the sum's; zeros of both signs are equal.
  [[nodiscard]] int wrong() {
    int found = 0;
    for (std::size_t r = 0; r < data_.size(); ++r) {
      for (std::size_t i = 0; i < pieces_.size(); ++i) {
        for (std::size_t k = 0; k < pieces_[i].count; ++k)
          found += E::load(output(r, i)[k]) != E::load(E::store(sums_[pieces_[i].begin + k])) ? 1 : 0;
      }
    }
    return found;
  }

 private:
  static constexpr std::size_t elements = 10'000;

  Piece drawn() {
    const auto among = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(draw_); };
    Piece piece;
    piece.count = 1 + among(std::size_t{1} << (1 + among(among(20) == 0 ? 13 : 10)));
    piece.begin = among(elements - piece.count);
    piece.in = among(8);
    piece.out = among(8);
    piece.in_place = among(3) == 0;
    return piece;
  }
  // At multiples of 16 bytes, and then as many elements on as the piece says.
  static Number* placed(std::vector<Number>& memory, std::size_t shift) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory.data()) % 16;
    return memory.data() + (16 - past) % 16 / sizeof(Number) + shift;
  }
  Number* input(std::size_t rank, std::size_t i) { return placed(inputs_[rank * pieces_.size() + i], pieces_[i].in); }
  Number* output(std::size_t rank, std::size_t i) {
    return pieces_[i].in_place ? input(rank, i) : placed(outputs_[rank * pieces_.size() + i], pieces_[i].out);
  }

  const Group& group_;
  p2plab_type type_;
  std::mt19937& draw_;
  std::vector<std::vector<Number>> data_;    // by rank
  std::vector<std::vector<Number>> inputs_;  // by rank and piece
  std::vector<std::vector<Number>> outputs_;
  std::vector<Piece> pieces_;
  std::vector<float> sums_;
};

void wait(const Group& group) {
  for (auto* const stream : group.streams) host_stream_wait(stream);
}

// Batches of 1 to 50 calls on one type, every other one captured and replayed on new numbers.
template <class E>
int batch(const Group& group, p2plab_type type, std::mt19937& draw, int& wrong) {
  Pieces<E> pieces(group, type, draw);
  const int calls = std::uniform_int_distribution<int>(1, 50)(draw);
  const bool captured = draw() % 2 == 0;
  if (captured) {
    for (auto* const stream : group.streams) host_capture_begin(stream);
  }
  pieces.call(calls);
  if (!captured) {
    wait(group);
    wrong += pieces.wrong();
    return calls;
  }
  std::vector<void*> graphs;
  for (auto* const stream : group.streams) graphs.push_back(host_capture_end(stream));
  for (int replay = 0; replay < 3; ++replay) {
    pieces.fill();
    for (std::size_t r = 0; r < graphs.size(); ++r) host_graph_launch(graphs[r], group.streams[r]);
    wait(group);
    wrong += pieces.wrong();
  }
  for (auto* const graph : graphs) host_graph_destroy(graph);
  return 3 * calls;
}

TEST(OneOrderOfSums, GivesEqualBitsInRandomCallsEagerAndReplayed) {
  std::mt19937 draw(7);
  const int cases = cases_in_all();
  for (int ranks = 2; ranks <= 8; ++ranks) {
    const Group group(ranks, fixed_order());
    for (const auto type : {P2PLAB_BFLOAT16, P2PLAB_FLOAT16, P2PLAB_FLOAT32}) {
      for (const std::size_t count : {1024U, 8192U}) {
        const p2plab_call call{P2PLAB_ALL_REDUCE, count, type, P2PLAB_SUM, 0, 0};
        ASSERT_EQ(library_function<decltype(p2plab_prepare)>("p2plab_prepare")(group.comms[0], &call), P2PLAB_OK) << last_error();
      }
    }
    int done = 0;
    int wrong = 0;
    while (done < cases / 7) {
      done += batch<Element<BFloat16>>(group, P2PLAB_BFLOAT16, draw, wrong);
      done += batch<Element<Half>>(group, P2PLAB_FLOAT16, draw, wrong);
      done += batch<Element<float>>(group, P2PLAB_FLOAT32, draw, wrong);
    }
    EXPECT_EQ(wrong, 0) << ranks << " ranks, " << done << " calls";
    if (cases > 700) fmt::print("{} ranks: {} calls, {} elements with other bits\n", ranks, done, wrong);
  }
}

// Sums of 3 to 5 ranks of numbers that do not add exactly, at sizes that run by one_shot and by two_shot and at odd addresses: bit for bit the ranks
// in their order.
TEST(OneOrderOfSums, GivesEqualBitsAtEverySizeAndPlace) {
  for (const int ranks : {3, 4, 5}) {
    const Group group(ranks, fixed_order());
    for (const std::size_t count : {7U, 1000U, 100'001U}) {
      for (const std::size_t shift : {0U, 1U}) {
        std::vector<std::vector<float>> data(group.comms.size(), std::vector<float>(count + 1));
        for (std::size_t r = 0; r < data.size(); ++r) {
          for (std::size_t i = 0; i < count; ++i) data[r][shift + i] = std::sin(static_cast<float>(i % 1000) * 1.7F + static_cast<float>(r) * 0.3F);
        }
        std::vector<float> wanted(count);
        for (std::size_t i = 0; i < count; ++i) {
          float sum = data[0][shift + i];
          for (std::size_t r = 1; r < data.size(); ++r) sum += data[r][shift + i];
          wanted[i] = sum;
        }
        for (std::size_t r = 0; r < data.size(); ++r) {
          EXPECT_EQ(library_function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(&data[r][shift], &data[r][shift], count, P2PLAB_FLOAT32,
                                                                                       P2PLAB_SUM, group.comms[r], group.streams[r]),
                    P2PLAB_OK)
              << last_error();
        }
        for (auto* const stream : group.streams) host_stream_wait(stream);
        for (const auto& mine : data)
          EXPECT_EQ(std::memcmp(&mine[shift], wanted.data(), count * sizeof(float)), 0)
              << ranks << " ranks, " << count << " elements, shift " << shift;
      }
    }
  }
}

TEST(OneOrderOfSums, IsNotNcclsToPromise) {
  p2plab_config config = fixed_order();
  config.backend = "nccl";
  std::array<p2plab_comm*, 2> comms{};
  constexpr std::array devices{0, 1};
  const auto begin = [&] {
    return library_function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(comms.data(), 2, devices.data(), &config);
  };
  EXPECT_EQ(begin(), P2PLAB_INVALID);
  EXPECT_NE(last_error().find("NCCL's order of sums hangs on the size"), std::string::npos) << last_error();
  config.backend = "p2p";
  config.order = "fixd";
  EXPECT_EQ(begin(), P2PLAB_INVALID);
  EXPECT_NE(last_error().find("fixed"), std::string::npos) << last_error();
}

// The environment's switch: as the config's field, and only for tables that promise the order.
TEST(OneOrderOfSumsByTheEnvironment, IsTheConfigsUnlessThatSaysOtherwise) {
  const Variable gpu("P2PLAB_TEST_GPU", "NVIDIA H200");
  SilentProgress progress;
  const auto topology = *resolve_topology("hgx-h200:gpus=2");
  const auto path = test::scratch("table.yaml").string();
  const auto write = [&](bool fixed) {
    const auto table = *tune(Evaluator(topology), make_collective(CollectiveKind::all_reduce, 2),
                             {.sizes = {4_KiB}, .dtype = DataType::float32, .fixed_order = fixed}, progress);
    std::ofstream(path) << *write_tuned_yaml(table);
  };
  const auto begin = [&](const char* order) {
    p2plab_config config = P2PLAB_CONFIG;
    config.tuned = path.c_str();
    config.prepare = "";
    config.load_nccl = 0;
    config.order = order;
    std::array<p2plab_comm*, 2> comms{};
    constexpr std::array devices{0, 1};
    const auto result = library_function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(comms.data(), 2, devices.data(), &config);
    for (auto* const comm : comms) library_function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(comm);
    return result == P2PLAB_OK ? std::string{} : last_error();
  };
  write(false);
  EXPECT_EQ(begin(nullptr), "");
  const Variable order("P2PLAB_ORDER", "fixed");
  EXPECT_NE(begin(nullptr).find("promise no order of sums"), std::string::npos);
  EXPECT_EQ(begin("any"), "");
  write(true);
  EXPECT_EQ(begin(nullptr), "");
  const Variable mistaken("P2PLAB_ORDER", "fixd");
  EXPECT_NE(begin(nullptr).find("fixed"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::one_order_test
