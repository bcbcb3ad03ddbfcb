// SPDX-License-Identifier: Apache-2.0
// One rank of a job that calls NCCL: client NCCL RANK RANKS PROGRAMS SEED. Runs programs drawn from the seed and compares all that comes out with
// what a reference in double precision says; guards around each buffer must stay as they are.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/host_gpu/streams.h"
#include "unit/kernels/nccl_programs/call_data.h"

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

// A call as one rank makes it.
class Call : public CallData {
 public:
  using CallData::CallData;

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

 private:
  int op(const Nccl& nccl) {
    if (drawn_.op != premultiplied) return drawn_.op;
    alignas(8) char scalar[8];
    store(drawn_.type, scalar, 2);
    int made = 0;
    nccl.call("ncclRedOpCreatePreMulSum", &made, static_cast<void*>(scalar), drawn_.type, 1, comm_.handle);
    return made;
  }
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
