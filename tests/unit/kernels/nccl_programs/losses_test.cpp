// SPDX-License-Identifier: Apache-2.0
// A machine that loses links and a GPU while libp2plab works on it, on GPUs that are CPU threads, with an NVML that says what the test wants: calls
// end in one error on all ranks, and what is left goes on.
#include <dlfcn.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/run/monitor.h"
#include "support/host_gpu/free_address.h"
#include "support/host_gpu/streams.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::losses::losses_test {
namespace {

constexpr std::size_t ranks = 4;
constexpr std::size_t count = 1000;

template <class F>
F* function(const char* name) {
  static void* const opened = dlopen((std::string{P2PLAB_NCCL_STAGE} + "/libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<F*>(dlsym(opened, name));
}

// The library's functions under their own names, without its prefix.
struct Library {
  decltype(&p2plab_all_reduce) all_reduce = function<decltype(p2plab_all_reduce)>("p2plab_all_reduce");
  decltype(&p2plab_comm_abort) comm_abort = function<decltype(p2plab_comm_abort)>("p2plab_comm_abort");
  decltype(&p2plab_comm_async_error) comm_async_error = function<decltype(p2plab_comm_async_error)>("p2plab_comm_async_error");
  decltype(&p2plab_comm_destroy) comm_destroy = function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy");
  decltype(&p2plab_address_unique_id) address_unique_id = function<decltype(p2plab_address_unique_id)>("p2plab_address_unique_id");
  decltype(&p2plab_comm_init_all) comm_init_all = function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all");
  decltype(&p2plab_comm_init_rank) comm_init_rank = function<decltype(p2plab_comm_init_rank)>("p2plab_comm_init_rank");
  decltype(&p2plab_comm_loss) comm_loss = function<decltype(p2plab_comm_loss)>("p2plab_comm_loss");
  decltype(&p2plab_comm_rank) comm_rank = function<decltype(p2plab_comm_rank)>("p2plab_comm_rank");
  decltype(&p2plab_comm_ranks) comm_ranks = function<decltype(p2plab_comm_ranks)>("p2plab_comm_ranks");
  decltype(&p2plab_comm_repair) comm_repair = function<decltype(p2plab_comm_repair)>("p2plab_comm_repair");
  decltype(&p2plab_explain) explain = function<decltype(p2plab_explain)>("p2plab_explain");
  decltype(&p2plab_get_unique_id) get_unique_id = function<decltype(p2plab_get_unique_id)>("p2plab_get_unique_id");
  decltype(&p2plab_last_error) last_error = function<decltype(p2plab_last_error)>("p2plab_last_error");
};
const Library& library() {
  static const Library all;
  return all;
}

std::string loss_of(const p2plab_comm* comm) {
  std::array<char, 1024> text{};
  EXPECT_EQ(library().comm_loss(comm, text.data(), text.size()), P2PLAB_OK);
  return text.data();
}

// Ranks that are threads of this process and meet as processes do, at a TCP address, or not at all.
class Job {
 public:
  enum class Meeting { locally, over_tcp, none };
  explicit Job(Meeting meeting = Meeting::locally) {
    if (meeting == Meeting::none) {
      const std::array<int, ranks> devices{0, 1, 2, 3};
      const auto config = usual();
      EXPECT_EQ(library().comm_init_all(comms.data(), ranks, devices.data(), &config), P2PLAB_OK) << library().last_error();
      return;
    }
    p2plab_unique_id id;
    const auto made = meeting == Meeting::over_tcp ? library().address_unique_id(test::free_address().c_str(), &id) : library().get_unique_id(&id);
    EXPECT_EQ(made, P2PLAB_OK);
    on_each([&](std::size_t r) {
      const auto config = usual();
      EXPECT_EQ(library().comm_init_rank(&comms[r], ranks, id, static_cast<int>(r), static_cast<int>(r), &config), P2PLAB_OK);
    });
  }
  ~Job() {
    on_each([&](std::size_t r) { library().comm_destroy(comms[r]); });
    for (auto* const stream : streams) host_stream_destroy(stream);
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  Job(Job&&) = delete;
  Job& operator=(Job&&) = delete;

  static p2plab_config usual() {
    p2plab_config config = P2PLAB_CONFIG;
    config.prepare = "";
    config.load_nccl = std::getenv("P2PLAB_NCCL") != nullptr ? 1 : 0;
    config.join_seconds = 5;
    return config;
  }
  template <class Body>
  void on_each(Body&& body) {
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < ranks; ++r) {
      if (!gone[r]) threads.emplace_back([&body, r] { body(r); });
    }
    for (auto& thread : threads) thread.join();
  }
  // Every rank that is left gives its number + 1.
  void all_reduce_is_right() {
    float sum = 0;
    for (std::size_t r = 0; r < ranks; ++r) sum += gone[r] ? 0 : static_cast<float>(r + 1);
    on_each([&](std::size_t r) {
      const std::vector<float> input(count, static_cast<float>(r + 1));
      std::vector<float> output(count);
      ASSERT_EQ(library().all_reduce(input.data(), output.data(), count, P2PLAB_FLOAT32, P2PLAB_SUM, comms[r], streams[r]), P2PLAB_OK)
          << library().last_error();
      host_stream_wait(streams[r]);
      EXPECT_EQ(output, std::vector<float>(count, sum)) << r;
    });
  }
  // What each rank is told, within 5 s; nothing: all is well.
  std::array<std::string, ranks> errors() {
    std::array<std::string, ranks> said;
    on_each([&](std::size_t r) {
      for (int look = 0; look < 500 && said[r].empty(); ++look) {
        if (library().comm_async_error(comms[r]) != P2PLAB_OK) said[r] = library().last_error();
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
    });
    return said;
  }
  void repair(const std::vector<int>& without = {}) {
    on_each([&](std::size_t r) {
      p2plab_comm* repaired = nullptr;
      const auto config = usual();
      EXPECT_EQ(library().comm_repair(&repaired, comms[r], without.data(), static_cast<int>(without.size()), &config), P2PLAB_OK)
          << library().last_error();
      library().comm_destroy(comms[r]);
      comms[r] = repaired;
    });
  }

  std::array<p2plab_comm*, ranks> comms{};
  std::array<bool, ranks> gone{};
  std::array<void*, ranks> streams{host_stream_create(), host_stream_create(), host_stream_create(), host_stream_create()};
};

void lose(const std::string& what) {
  const std::string path = std::getenv("P2PLAB_TEST_LOST");
  std::ofstream(path + ".new") << what;
  std::filesystem::rename(path + ".new", path);
}

// These run in processes of their own, whose first look at the machine is theirs.
class PlayedLosses : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("P2PLAB_TEST_LOST") == nullptr) GTEST_SKIP() << "run by Losses.*";
    ASSERT_NE(dlopen(P2PLAB_NCCL_STAGE "/nvml/libnvidia-ml.so.1", RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  }
};

TEST_F(PlayedLosses, OfALink) {
  Job job;
  job.all_reduce_is_right();
  EXPECT_EQ(loss_of(job.comms[0]), "");
  lose("pair 1 2\n");
  const auto errors = job.errors();
  // One of them may have it from another before it looks itself: "rank 0: no NVLink ...".
  for (const auto& error : errors)
    EXPECT_TRUE(error.ends_with(
        "no NVLink is left between GPU 0000:01:00.0 (rank 1) and GPU 0000:02:00.0 (rank 2): p2plab_comm_repair goes on with what is left"))
        << error;
  EXPECT_NE(loss_of(job.comms[3]).find("ranks 0, 1, 2, 3 can go on: all_reduce of 16 KiB by "), std::string::npos) << loss_of(job.comms[3]);
  job.repair();
  job.all_reduce_is_right();
  std::array<char, 512> text{};
  const p2plab_call call{P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
  EXPECT_EQ(library().explain(job.comms[0], &call, text.data(), text.size()), P2PLAB_OK);
  EXPECT_NE(std::string(text.data()).find("two ranks lost their NVLinks and go through host memory"), std::string::npos) << text.data();
}

TEST_F(PlayedLosses, OfAGpu) {
  Job job;
  job.all_reduce_is_right();
  lose("gpu 3\n");
  const auto errors = job.errors();
  for (const auto& error : errors) EXPECT_NE(error.find("GPU 0000:03:00.0 (rank 3) is lost"), std::string::npos) << error;
  EXPECT_NE(loss_of(job.comms[0]).find("ranks 0, 1, 2 can go on"), std::string::npos) << loss_of(job.comms[0]);
  library().comm_destroy(job.comms[3]);
  job.gone[3] = true;
  job.repair();
  EXPECT_EQ(library().comm_ranks(job.comms[0]), 3);
  job.all_reduce_is_right();
}

TEST_F(PlayedLosses, OfOneLinkBesideOthers) {
  Job job;
  lose("lane 0 3\n");
  std::this_thread::sleep_for(std::chrono::milliseconds{150});
  EXPECT_EQ(library().comm_async_error(job.comms[0]), P2PLAB_OK);
  EXPECT_EQ(loss_of(job.comms[1]), "some NVLinks between GPU 0000:00:00.0 (rank 0) and GPU 0000:03:00.0 (rank 3) are down, which is slower");
  job.all_reduce_is_right();
}

// A rank that its user knows to be gone, as after its process ended.
TEST_F(PlayedLosses, OfARankThatIsNamed) {
  Job job;
  library().comm_abort(job.comms[1], "its process ends");
  library().comm_destroy(job.comms[1]);
  job.gone[1] = true;
  job.repair({1});
  EXPECT_EQ(library().comm_rank(job.comms[2]), 1);
  job.all_reduce_is_right();
}

TEST_F(PlayedLosses, DoNotWaitForAnAbortOfNcclsThatHangs) {
  setenv("P2PLAB_NCCL", P2PLAB_NCCL_STAGE "/nccl/libnccl.so.2", 1);
  Job job;
  unsetenv("P2PLAB_NCCL");
  setenv("P2PLAB_TEST_ABORT_HANGS", "1", 1);
  library().comm_abort(job.comms[1], "its process ends");
  unsetenv("P2PLAB_TEST_ABORT_HANGS");
}

TEST_F(PlayedLosses, OfAGpuOfOneProcess) {
  Job job(Job::Meeting::none);
  job.all_reduce_is_right();
  lose("gpu 0\n");
  for (const auto& error : job.errors()) EXPECT_NE(error.find("GPU 0000:00:00.0 (rank 0) is lost"), std::string::npos) << error;
  library().comm_destroy(job.comms[0]);
  job.gone[0] = true;
  const auto config = Job::usual();
  p2plab_comm* first = nullptr;
  EXPECT_EQ(library().comm_repair(&first, job.comms[1], nullptr, 0, &config), P2PLAB_OK) << library().last_error();
  p2plab_comm* again = nullptr;
  EXPECT_EQ(library().comm_repair(&again, job.comms[1], nullptr, 0, &config), P2PLAB_INVALID);
  EXPECT_NE(std::string{library().last_error()}.find("was repaired before"), std::string::npos) << library().last_error();
  EXPECT_EQ(again, nullptr);
  library().comm_destroy(std::exchange(job.comms[1], first));
  job.gone[1] = true;
  job.repair();
  job.gone[1] = false;
  EXPECT_EQ(library().comm_ranks(job.comms[1]), 3);
  EXPECT_EQ(library().comm_rank(job.comms[1]), 0);
  job.all_reduce_is_right();
}

// Once, and once more of what is left then.
TEST_F(PlayedLosses, OfRanksThatMetOverTcp) {
  Job job(Job::Meeting::over_tcp);
  job.all_reduce_is_right();
  for (const auto& [rank, number] : {std::pair{2U, 2}, std::pair{1U, 1}}) {
    library().comm_abort(job.comms[rank], "its process ends");
    library().comm_destroy(job.comms[rank]);
    job.gone[rank] = true;
    job.repair({number});
    job.all_reduce_is_right();
  }
  const int first = 0;
  p2plab_comm* repaired = nullptr;
  const auto config = Job::usual();
  EXPECT_EQ(library().comm_repair(&repaired, job.comms[3], &first, 1, &config), P2PLAB_UNSUPPORTED);
  EXPECT_NE(std::string{library().last_error()}.find("rank 0, at whose address the ranks met, is gone"), std::string::npos);
}

RecordedProcess played(const std::string& test) {
  const auto records = test::scratch("records").parent_path();
  const auto run =
      test::ran(fmt::format("P2PLAB_WATCH=0.02 P2PLAB_TEST_LOST={} P2PLAB_MONITOR=basic P2PLAB_MONITOR_DIR={} {} --gtest_filter={}",
                            test::scratch("lost").string(), records.string(), std::filesystem::read_symlink("/proc/self/exe").string(), test));
  EXPECT_EQ(run.code, 0) << run.text;
  const auto files = record_files(records.string());
  if (!files || files->size() != 1) return {};
  auto process = read_records(files->front());
  return process ? *std::move(process) : RecordedProcess{};
}

void expect_event(const RecordedProcess& process, std::uint32_t kind, const std::string& text) {
  const bool found = std::ranges::any_of(
      process.events, [&](const RecordedEvent& event) { return event.kind == kind && event.text.find(text) != std::string::npos; });
  EXPECT_TRUE(found) << text << ", of " << process.events.size() << " events";
}

TEST(Losses, OfALastLinkEndCallsAlikeAndTheRestGoesOnThroughTheHost) { expect_event(played("PlayedLosses.OfALink"), 1, "no NVLink is left between"); }
TEST(Losses, OfAGpuEndCallsAndTheOthersGoOnWithoutIt) { expect_event(played("PlayedLosses.OfAGpu"), 1, "is lost"); }
TEST(Losses, OfALinkBesideOthersAreSaidAndEndNothing) { expect_event(played("PlayedLosses.OfOneLinkBesideOthers"), 3, "are down, which is slower"); }
TEST(Losses, OfAGpuInOneProcessLeaveTheOthersARepair) { expect_event(played("PlayedLosses.OfAGpuOfOneProcess"), 1, "is lost"); }
TEST(Losses, OfRanksThatMetOverTcpAreRepairedAtTheSameAddress) {
  std::map<std::uint64_t, int> sides;
  for (const auto& side : played("PlayedLosses.OfRanksThatMetOverTcp").sides) ++sides[side.communicator];
  std::multiset<int> counts;
  for (const auto& [communicator, its_ranks] : sides) counts.insert(its_ranks);
  EXPECT_EQ(counts, (std::multiset<int>{2, 3, 4})) << "each communicator has a number of its own";
}
TEST(Losses, OfARankAreItsUsersToName) { EXPECT_EQ(played("PlayedLosses.OfARankThatIsNamed").source, "p2plab"); }

}  // namespace
}  // namespace p2plab::losses::losses_test
