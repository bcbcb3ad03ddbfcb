// SPDX-License-Identifier: Apache-2.0
// One rank of a communicator whose ranks are on several servers (NCCL_HOSTID says which): servers_client LIBPATH MEETING RANK RANKS CALLS SEED. Calls
// drawn from the seed, then graphs replayed on new data; all is compared with a reference in double precision. MEETING: "exchange" through files, or
// an address. In the folder P2PLAB_TEST_FOLDER.
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include "p2plab/c/p2plab.h"
#include "support/host_gpu/streams.h"
#include "unit/kernels/nccl_programs/call_data.h"

using namespace p2plab::test;

namespace {

struct Library {
  void* handle;
  template <class F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(dlsym(handle, name));
  }
  void check(p2plab_result result, const char* what) const {
    if (result == P2PLAB_OK) return;
    std::printf("%s: %s\n", what, function<decltype(p2plab_last_error)>("p2plab_last_error")());
    std::exit(1);
  }
  template <class... Arguments>
  void call(const char* name, Arguments... arguments) const {
    check(function<p2plab_result(Arguments...)>(name)(arguments...), name);
  }
};

struct Exchange {
  int rank;
  int ranks;
  const char* name;  // of this one among several
};

// As a store would do it: everybody writes a file and reads those of the others.
int exchange(const void* mine, void* all, size_t size, void* user) {
  const auto& [rank, ranks, name] = *static_cast<const Exchange*>(user);
  const std::string folder = std::getenv("P2PLAB_TEST_FOLDER");
  const auto path = [&, name = name](int r) { return folder + "/" + name + std::to_string(r); };
  std::ofstream(path(rank) + ".new").write(static_cast<const char*>(mine), static_cast<std::streamsize>(size)).flush();
  std::rename((path(rank) + ".new").c_str(), path(rank).c_str());
  for (int r = 0; r < ranks; ++r) {
    std::ifstream file;
    for (int i = 0; i < 2000 && !file.is_open(); ++i, usleep(5000)) file.open(path(r));
    if (!file.read(static_cast<char*>(all) + static_cast<size_t>(r) * size, static_cast<std::streamsize>(size))) return 1;
  }
  return 0;
}

// A call as one rank makes it.
class Call : public CallData {
 public:
  using CallData::CallData;

  void begin(const Library& library, p2plab_comm* comm, void* stream) {
    const auto n = drawn_.count;
    const auto type = static_cast<p2plab_type>(drawn_.type);
    const auto op = static_cast<p2plab_op>(drawn_.op);
    const void* from = send(0);
    void* to = receive(0);
    switch (drawn_.kind) {
      case Kind::all_reduce: return library.call("p2plab_all_reduce", from, to, n, type, op, comm, stream);
      case Kind::reduce: return library.call("p2plab_reduce", from, to, n, type, op, root_, comm, stream);
      case Kind::reduce_scatter: return library.call("p2plab_reduce_scatter", from, to, n, type, op, comm, stream);
      case Kind::all_gather: return library.call("p2plab_all_gather", from, to, n, type, comm, stream);
      case Kind::broadcast: return library.call("p2plab_broadcast", from, to, n, type, root_, comm, stream);
      case Kind::gather: return library.call("p2plab_gather", from, to, n, type, root_, comm, stream);
      case Kind::scatter: return library.call("p2plab_scatter", from, to, n, type, root_, comm, stream);
      case Kind::all_to_all: return library.call("p2plab_all_to_all", from, to, n, type, comm, stream);
      default: return library.call("p2plab_send_receive", from, to, n, type, root_, after(root_), comm, stream);
    }
  }
  void prepare(const Library& library, p2plab_comm* comm) const {
    constexpr std::array kinds{P2PLAB_ALL_REDUCE, P2PLAB_REDUCE, P2PLAB_REDUCE_SCATTER, P2PLAB_ALL_GATHER, P2PLAB_BROADCAST,
                               P2PLAB_BROADCAST,  P2PLAB_GATHER, P2PLAB_SCATTER,        P2PLAB_ALL_TO_ALL, P2PLAB_SEND_RECEIVE};
    const p2plab_call call{kinds[static_cast<std::size_t>(drawn_.kind)],
                           drawn_.count,
                           static_cast<p2plab_type>(drawn_.type),
                           static_cast<p2plab_op>(drawn_.op),
                           root_,
                           after(root_)};
    library.call("p2plab_prepare", comm, &call);
  }
  void must_be_right(const char* when) {
    const auto text = mistake();
    if (text.empty()) return;
    std::printf("rank %d, %s: kind %d of %zu, type %d, op %d: %s\n", comm_.rank, when, static_cast<int>(drawn_.kind), drawn_.count, drawn_.type,
                drawn_.op, text.c_str());
    std::exit(1);
  }
};

// With P2PLAB_TEST_ALL_REDUCES all are all-reduces of float32, for which there is a table.
DrawnCall drawn_of(Drawing& drawing) {
  const bool only = std::getenv("P2PLAB_TEST_ALL_REDUCES") != nullptr;
  while (true) {
    for (auto& call : drawing.program().calls) {
      const bool ours = call.kind != Kind::bcast && call.kind != Kind::ring && call.op != premultiplied && call.type < 10;
      if (only) call.kind = Kind::all_reduce, call.type = 7, call.op = 0;
      if (ours) return call;
    }
  }
}

// One graph of each of some calls, replayed on new data.
void replay(const Library& library, p2plab_comm* comm, const Comm& world, void* stream, Drawing& drawing) {
  for (int graphs = 0; graphs < 6; ++graphs) {
    auto drawn = drawn_of(drawing);
    drawn.kind = graphs == 0 ? Kind::all_reduce : drawn.kind;
    drawn.count = graphs == 0 ? 1024 : drawn.count;
    Call call(drawn, 0, world);
    call.prepare(library, comm);
    host_capture_begin(stream);
    call.begin(library, comm, stream);
    void* graph = host_capture_end(stream);
    for (unsigned number = 1; number <= 4; ++number) {
      call.give(number);
      host_graph_launch(graph, stream);
      host_stream_wait(stream);
      call.must_be_right("replayed");
    }
    host_graph_destroy(graph);
  }
}

std::string explained(const Library& library, p2plab_comm* comm, p2plab_kind kind) {
  const p2plab_call asked{kind, 1024, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
  library.call("p2plab_prepare", comm, &asked);
  std::array<char, 1000> text{};
  library.call("p2plab_explain", static_cast<const p2plab_comm*>(comm), &asked, text.data(), text.size());
  return text.data();
}

p2plab_comm* join_by_exchange(const Library& library, int rank, int ranks, const char* name, const p2plab_config& config) {
  p2plab_comm* comm = nullptr;
  Exchange user{rank, ranks, name};
  library.call("p2plab_comm_init_exchange", &comm, ranks, rank, rank, &exchange, static_cast<void*>(&user), &config);
  return comm;
}

void run_calls(const Library& library, p2plab_comm* comm, const Comm& world, void* stream, Drawing& drawing, int calls) {
  for (int c = 0; c < calls; ++c) {
    Call call(drawn_of(drawing), static_cast<unsigned>(c), world);
    call.begin(library, comm, stream);
    host_stream_wait(stream);
    call.must_be_right(("call " + std::to_string(c)).c_str());
  }
}

// The last rank is killed or stopped amid calls. The others hear which, leave, and go on without it.
p2plab_comm* lose_one(const Library& library, p2plab_comm* comm, Comm& world, void* stream, int signal, const p2plab_config& config) {
  // What is aborted is left at once, though a graph holds its calls.
  Call held({.kind = Kind::all_reduce, .count = 1024, .type = 7}, 1, world);
  held.prepare(library, comm);
  host_capture_begin(stream);
  held.begin(library, comm, stream);
  void* graph = host_capture_end(stream);
  const int last = world.ranks() - 1;
  const auto numbers = std::string{std::getenv("P2PLAB_TEST_FOLDER")} + "/process";
  if (world.rank == last) {
    std::ofstream(numbers) << getpid() << std::flush;
    usleep(200'000);  // the others may still be in the call before
    raise(signal);
  }
  const auto error = [&] { return library.function<decltype(p2plab_comm_async_error)>("p2plab_comm_async_error")(comm); };
  std::vector<float> data(1000, 1);
  const auto began = time(nullptr);
  while (error() == P2PLAB_OK && time(nullptr) < began + 20) {
    const auto result = library.function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(data.data(), data.data(), data.size(), P2PLAB_FLOAT32,
                                                                                           P2PLAB_SUM, comm, stream);
    if (result != P2PLAB_OK) break;
    host_stream_wait(stream);
  }
  if (error() == P2PLAB_OK) std::printf("rank %d heard of no loss\n", world.rank);
  std::printf("rank %d heard after %s: %s\n", world.rank, time(nullptr) < began + 8 ? "seconds" : "long",
              library.function<decltype(p2plab_last_error)>("p2plab_last_error")());
  pid_t stopped = 0;
  std::ifstream(numbers) >> stopped;
  if (world.rank == 0 && signal == SIGSTOP) kill(stopped, SIGKILL);
  library.call("p2plab_comm_destroy", comm);
  host_graph_destroy(graph);
  world.members.pop_back();
  return join_by_exchange(library, world.rank, world.ranks(), "without_", config);
}

// What goes in slices, call by call and in a graph; lengths that no slice divides.
void run_large(const Library& library, p2plab_comm* comm, const Comm& world, void* stream) {
  for (const auto kind : {Kind::all_reduce, Kind::all_gather}) {
    const std::size_t bytes = std::size_t{kind == Kind::all_reduce ? 5U : 4U} << 20;
    Call call({.kind = kind, .count = bytes / sizeof(double) / (kind == Kind::all_reduce ? 1 : world.members.size()) + 3, .type = 8}, 1, world);
    call.prepare(library, comm);
    call.begin(library, comm, stream);
    host_stream_wait(stream);
    call.must_be_right("large");
    host_capture_begin(stream);
    call.begin(library, comm, stream);
    void* graph = host_capture_end(stream);
    for (unsigned number = 5; number < 7; ++number) {
      call.give(number);
      host_graph_launch(graph, stream);
      host_stream_wait(stream);
      call.must_be_right("large, replayed");
    }
    host_graph_destroy(graph);
  }
}

// The communicator stays as it was while a graph holds its calls.
void leave_before_a_graph(const Library& library, p2plab_comm* comm, const Comm& world, void* stream) {
  Call call({.kind = Kind::all_reduce, .count = 1024, .type = 7}, 1, world);
  call.prepare(library, comm);
  host_capture_begin(stream);
  call.begin(library, comm, stream);
  void* graph = host_capture_end(stream);
  const auto result = library.function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(comm);
  std::printf("rank %d leaves: %d: %s\n", world.rank, result, library.function<decltype(p2plab_last_error)>("p2plab_last_error")());
  call.give(2);
  host_graph_launch(graph, stream);
  host_stream_wait(stream);
  call.must_be_right("replayed after that");
  host_graph_destroy(graph);
}

void say(const char* text, void*) { std::printf("said: %s\n", text); }

}  // namespace

int main(int, char** words) {
  alarm(120);
  const Library library{dlopen(words[1], RTLD_NOW | RTLD_LOCAL)};
  if (library.handle == nullptr) {
    std::printf("cannot load: %s\n", dlerror());
    return 1;
  }
  const std::string meeting = words[2];
  const auto number = [&](int word) { return std::atoi(words[word]); };
  Comm world{.rank = number(3)};
  for (int r = 0; r < number(4); ++r) world.members.push_back(r);
  host_use_device(world.rank);
  auto config = p2plab_config P2PLAB_CONFIG;
  config.say = say;
  config.join_seconds = 20;
  p2plab_comm* comm = nullptr;
  if (meeting == "exchange") {
    comm = join_by_exchange(library, world.rank, world.ranks(), "exchange_", config);
  } else {
    p2plab_unique_id id;
    library.call("p2plab_address_unique_id", meeting.c_str(), &id);
    library.call("p2plab_comm_init_rank", &comm, world.ranks(), id, world.rank, world.rank, static_cast<const p2plab_config*>(&config));
  }
  void* stream = host_stream_create();
  Drawing drawing(static_cast<unsigned>(number(6)));
  run_calls(library, comm, world, stream, drawing, number(5));
  if (const char* signal = std::getenv("P2PLAB_TEST_LOSS"); signal != nullptr) {
    comm = lose_one(library, comm, world, stream, std::atoi(signal), config);
    run_calls(library, comm, world, stream, drawing, number(5));
  }
  replay(library, comm, world, stream, drawing);
  if (std::getenv("P2PLAB_TEST_LARGE") != nullptr) {
    run_large(library, comm, world, stream);
    const p2plab_call asked{P2PLAB_ALL_REDUCE, (std::size_t{5} << 17) + 3, P2PLAB_FLOAT64, P2PLAB_SUM, 0, 0};
    std::array<char, 1000> text{};
    library.call("p2plab_explain", static_cast<const p2plab_comm*>(comm), &asked, text.data(), text.size());
    std::printf("rank %d: large ones right: %s\n", world.rank, text.data());
  }
  if (std::getenv("P2PLAB_TEST_HELD_GRAPH") != nullptr) leave_before_a_graph(library, comm, world, stream);
  std::printf("rank %d: %d calls right; %s; %s\n", world.rank, number(5), explained(library, comm, P2PLAB_ALL_REDUCE).c_str(),
              explained(library, comm, P2PLAB_BROADCAST).c_str());
  host_stream_destroy(stream);
  library.call("p2plab_comm_destroy", comm);
  return 0;
}
