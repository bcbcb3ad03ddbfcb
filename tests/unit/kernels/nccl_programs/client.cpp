// SPDX-License-Identifier: Apache-2.0
// One rank of a job that calls NCCL: client NCCL RANK RANKS PROGRAMS SEED. Runs programs drawn from the seed and compares all that comes out with
// what a reference in double precision says; guards around each buffer must stay as they are.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "support/host_gpu/streams.h"
#include "unit/kernels/nccl_programs/drawn.h"

using namespace p2plab::test;

namespace {

struct Id {
  char bytes[128];
};

struct Nccl {
  void* handle;
  template <class... Arguments>
  void call(const char* name, Arguments... arguments) const {
    auto* const function = reinterpret_cast<int (*)(Arguments...)>(dlsym(handle, name));
    const int result = function == nullptr ? -1 : function(arguments...);
    if (result == 0) return;
    std::printf("%s: %d\n", name, result);
    std::exit(1);
  }
};

struct Comm {
  void* handle = nullptr;
  std::vector<int> members = {};  // ranks of the whole job
  int rank = 0;
  int ranks() const { return static_cast<int>(members.size()); }
};

// A buffer between guards, some elements off the best alignment.
class Guarded {
 public:
  Guarded(std::size_t elements, std::size_t shift, int type)
      : size_(nccl_sizes[static_cast<std::size_t>(type)]),
        from_(guard + shift * size_),
        bytes_(elements * size_),
        memory_(from_ + bytes_ + guard, fill) {}
  char* at(std::size_t element) { return memory_.data() + from_ + element * size_; }
  bool guards_hold() const {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      if ((i < from_ || i >= from_ + bytes_) && memory_[i] != fill) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t guard = 64;
  static constexpr char fill = 0x5a;
  std::size_t size_;
  std::size_t from_;
  std::size_t bytes_;
  std::vector<char> memory_;
};

// A call as one rank makes it, with its buffers, and what must be in them.
class Call {
 public:
  Call(const DrawnCall& drawn, unsigned number, const Comm& comm) : drawn_(drawn), number_(number), comm_(comm) {
    root_ = static_cast<int>(drawn.root) % comm.ranks();
    const auto n = drawn.count;
    const auto all = n * static_cast<std::size_t>(comm.ranks());
    const bool scattered = is(Kind::reduce_scatter) || is(Kind::scatter) || is(Kind::all_to_all);
    const bool gathered = is(Kind::all_gather) || is(Kind::gather) || is(Kind::all_to_all);
    in_ = scattered ? all : n;
    out_ = gathered ? all : n;
    // In place as NCCL has it; of an all-to-all, and of messages, there is none.
    const bool may = !is(Kind::all_to_all) && !is(Kind::send_receive) && !is(Kind::ring);
    in_place_ = is(Kind::bcast) || (drawn.in_place && may);
    const auto mine = static_cast<std::size_t>(comm.rank) * n;
    const bool within_output = in_place_ && gathered;
    const bool within_input = in_place_ && scattered;
    input_ = std::make_shared<Guarded>(in_place_ ? std::max(in_, out_) : in_, drawn.shift, drawn.type);
    output_ = in_place_ ? input_ : std::make_shared<Guarded>(out_, drawn.shift / 2, drawn.type);
    in_at_ = within_output ? mine : 0;
    out_at_ = within_input ? mine : 0;
    for (std::size_t i = 0; i < in_; ++i) store(drawn.type, send(i), value(comm.rank, i));
  }

  void begin(const Nccl& nccl, void* stream) {
    const auto [n, type] = std::pair{drawn_.count, drawn_.type};
    const bool at_root = comm_.rank == root_;
    const void* from = send(0);
    void* to = receive(0);
    const void* nothing = nullptr;
    void* nowhere = nullptr;
    switch (drawn_.kind) {
      case Kind::all_reduce: return nccl.call("ncclAllReduce", from, to, n, type, op(nccl), comm_.handle, stream);
      case Kind::reduce: return nccl.call("ncclReduce", from, at_root ? to : nowhere, n, type, op(nccl), root_, comm_.handle, stream);
      case Kind::reduce_scatter: return nccl.call("ncclReduceScatter", from, to, n, type, op(nccl), comm_.handle, stream);
      case Kind::all_gather: return nccl.call("ncclAllGather", from, to, n, type, comm_.handle, stream);
      case Kind::broadcast: return nccl.call("ncclBroadcast", at_root ? from : nothing, to, n, type, root_, comm_.handle, stream);
      case Kind::bcast: return nccl.call("ncclBcast", to, n, type, root_, comm_.handle, stream);
      case Kind::gather: return nccl.call("ncclGather", from, at_root ? to : nowhere, n, type, root_, comm_.handle, stream);
      case Kind::scatter: return nccl.call("ncclScatter", at_root ? from : nothing, to, n, type, root_, comm_.handle, stream);
      case Kind::all_to_all: return nccl.call("ncclAlltoAll", from, to, n, type, comm_.handle, stream);
      case Kind::send_receive:
        if (comm_.ranks() == 1) return;  // to itself only in a group, as in the ring
        if (at_root) nccl.call("ncclSend", from, n, type, after(root_), comm_.handle, stream);
        if (comm_.rank == after(root_)) nccl.call("ncclRecv", to, n, type, root_, comm_.handle, stream);
        return;
      case Kind::ring:
        nccl.call("ncclGroupStart");
        nccl.call("ncclSend", from, n, type, after(comm_.rank), comm_.handle, stream);
        nccl.call("ncclRecv", to, n, type, (comm_.rank + comm_.ranks() - 1) % comm_.ranks(), comm_.handle, stream);
        return nccl.call("ncclGroupEnd");
    }
  }

  std::string mistake() {
    if (!input_->guards_hold() || !output_->guards_hold()) return "something was written beside a buffer";
    for (std::size_t i = 0; i < out_ && gets(); ++i) {
      const auto found = load(drawn_.type, receive(i));
      const auto wanted = expected(i);
      const double tolerance = is_float(drawn_.type) ? std::abs(wanted) * (drawn_.type == 9 ? 0.0079 : drawn_.type == 6 ? 0.00098 : 1e-6) : 0;
      if (std::abs(found - wanted) > tolerance)
        return "element " + std::to_string(i) + " is " + std::to_string(found) + ", not " + std::to_string(wanted);
    }
    for (std::size_t i = 0; i < in_ && !in_place_; ++i) {
      if (load(drawn_.type, send(i)) != value(comm_.rank, i)) return "input " + std::to_string(i) + " changed";
    }
    return {};
  }

 private:
  bool is(Kind kind) const { return drawn_.kind == kind; }
  int after(int rank) const { return (rank + 1) % comm_.ranks(); }
  char* send(std::size_t i) { return input_->at(in_at_ + i); }
  char* receive(std::size_t i) { return output_->at(out_at_ + i); }
  double value(int member, std::size_t i) const { return given(number_, comm_.members[static_cast<std::size_t>(member)], i); }
  bool gets() const {
    if (is(Kind::reduce) || is(Kind::gather)) return comm_.rank == root_;
    return !is(Kind::send_receive) || (comm_.rank == after(root_) && comm_.ranks() > 1);
  }
  int op(const Nccl& nccl) {
    if (drawn_.op != premultiplied) return drawn_.op;
    alignas(8) char scalar[8];
    store(drawn_.type, scalar, 2);
    int made = 0;
    nccl.call("ncclRedOpCreatePreMulSum", &made, static_cast<void*>(scalar), drawn_.type, 1, comm_.handle);
    return made;
  }
  double sum(std::size_t i) const {
    const bool own = drawn_.op == premultiplied;
    double all = 0;
    for (int r = 0; r < comm_.ranks(); ++r) {
      const auto one = value(r, i) * (own ? 2 : 1);
      all = r == 0 ? one : combined_by(own ? 0 : drawn_.op, all, one);
    }
    return drawn_.op == 4 ? average_of(drawn_.type, all, comm_.ranks()) : all;
  }
  double expected(std::size_t i) const {
    const auto n = drawn_.count;
    const auto mine = static_cast<std::size_t>(comm_.rank);
    switch (drawn_.kind) {
      case Kind::all_reduce:
      case Kind::reduce: return sum(i);
      case Kind::reduce_scatter: return sum(mine * n + i);
      case Kind::all_gather:
      case Kind::gather: return value(static_cast<int>(i / n), i % n);
      case Kind::broadcast:
      case Kind::bcast:
      case Kind::send_receive: return value(root_, i);
      case Kind::scatter: return value(root_, mine * n + i);
      case Kind::all_to_all: return value(static_cast<int>(i / n), mine * n + i % n);
      case Kind::ring: return value((comm_.rank + comm_.ranks() - 1) % comm_.ranks(), i);
    }
    return 0;
  }

  DrawnCall drawn_;
  unsigned number_;
  Comm comm_;
  int root_ = 0;
  std::size_t in_ = 0;
  std::size_t out_ = 0;
  bool in_place_ = false;
  std::size_t in_at_ = 0;
  std::size_t out_at_ = 0;
  std::shared_ptr<Guarded> input_;
  std::shared_ptr<Guarded> output_;
};

Comm part_of(const Nccl& nccl, const Comm& world, const DrawnProgram& program) {
  Comm part;
  const int parts = program.reversed ? 1 : 2;
  for (int r = world.rank % parts; r < world.ranks(); r += parts) part.members.push_back(r);
  if (program.reversed) std::reverse(part.members.begin(), part.members.end());
  part.rank = static_cast<int>(std::find(part.members.begin(), part.members.end(), world.rank) - part.members.begin());
  nccl.call("ncclCommSplit", world.handle, world.rank % parts, part.rank, &part.handle, static_cast<void*>(nullptr));
  return part;
}

// Runs one program; the number of calls so far grows by its own.
void run(const Nccl& nccl, const Comm& world, const DrawnProgram& program, const std::array<void*, 2>& streams, unsigned& number) {
  const auto part = program.split ? part_of(nccl, world, program) : Comm{};
  std::vector<Call> calls;
  for (const auto& drawn : program.calls) {
    calls.emplace_back(drawn, number++, drawn.part ? part : world);
    if (drawn.opens) nccl.call("ncclGroupStart");
    calls.back().begin(nccl, streams[static_cast<std::size_t>(drawn.stream)]);
    if (drawn.closes) nccl.call("ncclGroupEnd");
  }
  for (auto* const stream : streams) host_stream_wait(stream);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto mistake = calls[i].mistake();
    if (mistake.empty()) continue;
    const auto& drawn = program.calls[i];
    std::printf("rank %d, call %zu of %zu: kind %d of %zu, type %d, op %d, %s: %s\n", world.rank, i, calls.size(), static_cast<int>(drawn.kind),
                drawn.count, drawn.type, drawn.op, drawn.in_place ? "in place" : "apart", mistake.c_str());
    std::exit(1);
  }
  if (part.handle != nullptr) nccl.call("ncclCommDestroy", part.handle);
}

Id common_id(const Nccl& nccl, int rank) {
  const auto path = std::string{std::getenv("P2PLAB_TEST_FOLDER")} + "/id";
  Id id{};
  if (rank == 0) {
    nccl.call("ncclGetUniqueId", &id);
    std::ofstream(path + ".new").write(id.bytes, sizeof id.bytes).flush();
    std::rename((path + ".new").c_str(), path.c_str());
  }
  std::ifstream file;
  for (int i = 0; i < 2000 && !file.is_open(); ++i) {
    file.open(path);
    usleep(5000);
  }
  file.read(id.bytes, sizeof id.bytes);
  return id;
}

}  // namespace

int main(int, char** words) {
  alarm(240);
  const Nccl nccl{dlopen(words[1], RTLD_NOW | RTLD_LOCAL)};
  if (nccl.handle == nullptr) {
    std::printf("cannot load: %s\n", dlerror());
    return 1;
  }
  const auto number = [&](int word) { return std::atoi(words[word]); };
  Comm world{.rank = number(2)};
  for (int r = 0; r < number(3); ++r) world.members.push_back(r);
  host_use_device(world.rank);
  nccl.call("ncclCommInitRank", &world.handle, world.ranks(), common_id(nccl, world.rank), world.rank);
  const std::array<void*, 2> streams{host_stream_create(), host_stream_create()};
  Drawing drawing(static_cast<unsigned>(number(5)));
  unsigned calls = 0;
  for (int p = 0; p < number(4); ++p) run(nccl, world, drawing.program(), streams, calls);
  nccl.call("ncclCommDestroy", world.handle);
  auto* const counts = dlsym(nccl.handle, "p2plab_nccl_counts");
  std::printf("rank %d: %u calls right; %s\n", world.rank, calls, counts == nullptr ? "NCCL itself" : reinterpret_cast<const char* (*)()>(counts)());
  return 0;
}
