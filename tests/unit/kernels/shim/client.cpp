// SPDX-License-Identifier: Apache-2.0
// A program that uses NCCL in one of the ways that programs do: `linked`, or by dlopen of what it is given; `ranks` only sets up two ranks and ends
// them, `order` only calls in a group, `abort` aborts amid a call, `late`
// does not block, `early` calls before all ranks are there. Says what happened, line by line; run by shim_test under the shim and two stubs.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

extern "C" {
struct Id {
  char bytes[128];
};
}

namespace {

using Comm = void*;

struct Nccl {
  void* handle = nullptr;
  template <class F>
  F* function(const char* name) const {
    auto* const found = dlsym(handle, name);
    if (found == nullptr) std::printf("no %s\n", name);
    return reinterpret_cast<F*>(found);
  }
  int all_reduce(std::size_t count, int type, int op, Comm comm) const {
    return function<int(const void*, void*, std::size_t, int, int, Comm, void*)>("ncclAllReduce")(nullptr, nullptr, count, type, op, comm, nullptr);
  }
  int twin_all_reduce(std::size_t count, Comm comm) const {
    return function<int(const void*, void*, std::size_t, int, int, Comm, void*)>("pncclAllReduce")(nullptr, nullptr, count, 7, 0, comm, nullptr);
  }
  int group_start() const { return function<int()>("ncclGroupStart")(); }
  int group_end() const { return function<int()>("ncclGroupEnd")(); }
};

void say_log() {
  if (auto* const log = dlsym(dlopen("libp2plab.so.1", RTLD_NOW | RTLD_NOLOAD), "stub_log"); log != nullptr)
    std::printf("ours: %s\n", reinterpret_cast<const char* (*)()>(log)());
}

void set_up_and_end_two(const Nccl& nccl, Id id) {
  Comm two[2] = {};
  for (int rank = 0; rank < 2; ++rank) nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&two[rank], 2, id, rank);
  for (auto* const one : two) nccl.function<int(Comm)>("ncclCommDestroy")(one);
  say_log();
}

// In a group whose end NCCL does not wait for: one that is ours over servers, and one of NCCL's.
void call_without_blocking(const Nccl& nccl, Id id) {
  Comm comm = nullptr;
  nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&comm, 2, id, 0);
  nccl.group_start();
  nccl.all_reduce(4, 7, 0, comm);
  nccl.all_reduce(5, 7, 0, comm);
  const int ended = nccl.group_end();
  std::printf("ended: %d, %s\n", ended, nccl.function<const char*()>("p2plab_nccl_counts")());
}

// One thread is within a call, another one aborts its communicator.
void abort_amid_a_call(const Nccl& nccl, Id id) {
  Comm comm = nullptr;
  nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&comm, 2, id, 0);
  std::thread calling([&] { nccl.all_reduce(1000, 7, 0, comm); });
  auto* const log = reinterpret_cast<const char* (*)()>(dlsym(dlopen("libp2plab.so.1", RTLD_NOW | RTLD_NOLOAD), "stub_log"));
  for (int tries = 0; tries < 3000 && std::strstr(log(), "all_reduce") == nullptr; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  nccl.function<int(Comm)>("ncclCommAbort")(comm);
  calling.join();
  say_log();
}

// More calls than a short list holds, before the other rank's shim has come.
void call_before_all_meet(const Nccl& nccl, Id id) {
  Comm comm = nullptr;
  nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&comm, 2, id, 0);
  auto* const all_reduce = nccl.function<int(const void*, void*, std::size_t, int, int, Comm, void*)>("ncclAllReduce");
  for (int i = 0; i < 100'000; ++i) all_reduce(nullptr, nullptr, 4, 7, 0, comm, nullptr);
  auto* const log = reinterpret_cast<const char* (*)()>(dlsym(dlopen("libp2plab.so.1", RTLD_NOW | RTLD_NOLOAD), "stub_log"));
  for (int tries = 0; tries < 10'000 && std::strstr(log(), "made") == nullptr; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  nccl.all_reduce(4, 7, 0, comm);
  std::printf("after: %s\n", nccl.function<const char*()>("p2plab_nccl_counts")());
}

// What NCCL was asked, in its order: calls that may be ours among those that cannot.
void call_in_a_group(const Nccl& nccl, Id id) {
  Comm comm = nullptr;
  nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&comm, 2, id, 0);
  constexpr int bfloat16 = 9;
  constexpr int float8 = 10;
  constexpr int own = 9;
  nccl.group_start();
  nccl.all_reduce(1, bfloat16, 0, comm);
  nccl.all_reduce(3, float8, 0, comm);
  nccl.all_reduce(5, bfloat16, own, comm);
  nccl.all_reduce(7, bfloat16, 0, comm);
  auto* const drop = nccl.function<int(int, Comm)>("ncclRedOpDestroy");
  drop(own + 1, comm);
  drop(own, comm);
  nccl.all_reduce(9, bfloat16, 0, comm);
  nccl.group_end();
  auto* const stub = dlopen(std::getenv("P2PLAB_NCCL"), RTLD_NOW | RTLD_NOLOAD);
  std::printf("NCCL: %s\n", reinterpret_cast<const char* (*)()>(dlsym(stub, "stub_order"))());
}

// What is a program of its own.
bool ran_apart(const std::string& way, const Nccl& nccl, Id id) {
  struct Program {
    const char* name;
    void (*run)(const Nccl&, Id);
  };
  for (const auto& [name, run] : {Program{"ranks", set_up_and_end_two}, Program{"order", call_in_a_group}, Program{"abort", abort_amid_a_call},
                                  Program{"late", call_without_blocking}, Program{"early", call_before_all_meet}}) {
    if (way != name) continue;
    run(nccl, id);
    return true;
  }
  return false;
}

}  // namespace

int main(int count, char** words) {
  const std::string way = count > 1 ? words[1] : "";
  const char* const path = count > 2 ? words[2] : "libnccl.so.2";
  Nccl nccl{way == "global" ? dlopen(nullptr, RTLD_NOW) : dlopen(path, RTLD_NOW | RTLD_LOCAL)};
  if (nccl.handle == nullptr) {
    std::printf("cannot load: %s\n", dlerror());
    return 1;
  }
  int version = 0;
  nccl.function<int(int*)>("ncclGetVersion")(&version);
  auto* const shim = dlsym(nccl.handle, "p2plab_nccl_counts");
  std::printf("version %d, %s\n", version, shim == nullptr ? "NCCL itself" : "the shim");
  if (shim == nullptr) return 0;
  const auto tell = [&](const char* what, int result) { std::printf("%s: %d, %s\n", what, result, reinterpret_cast<const char* (*)()>(shim)()); };
  Comm comm = nullptr;
  Comm part = nullptr;
  Id id{};
  std::strcpy(id.bytes, "an id of the test");
  if (ran_apart(way, nccl, id)) return 0;
  tell("init", nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank")(&comm, 2, id, 0));
  tell("even", nccl.all_reduce(4, 7, 0, comm));
  tell("odd", nccl.all_reduce(5, 7, 0, comm));
  tell("nested in NCCL", nccl.all_reduce(77, 7, 0, comm));
  tell("own operation", nccl.all_reduce(4, 7, 9, comm));
  tell("float8", nccl.all_reduce(4, 10, 0, comm));
  tell("nothing", nccl.all_reduce(0, 7, 0, comm));
  tell("of another", nccl.all_reduce(4, 7, 0, &part));
  nccl.group_start();
  nccl.group_start();
  tell("in a group", nccl.all_reduce(4, 7, 0, comm));
  tell("own operation in a group", nccl.all_reduce(4, 7, 9, comm));
  nccl.group_end();
  tell("inner end", 0);
  tell("outer end", nccl.group_end());
  tell("split", nccl.function<int(Comm, int, int, Comm*, void*)>("ncclCommSplit")(comm, 3, 0, &part, nullptr));
  tell("of the part", nccl.all_reduce(4, 7, 0, part));
  if (auto* const twin = dlsym(nccl.handle, "pncclAllReduce"); twin != nullptr) tell("twin", nccl.twin_all_reduce(4, comm));
  tell("destroy", nccl.function<int(Comm)>("ncclCommDestroy")(part));
  tell("abort", nccl.function<int(Comm)>("ncclCommAbort")(comm));
  tell("after", nccl.all_reduce(4, 7, 0, comm));
  Comm both[2] = {};
  auto* const init = nccl.function<int(Comm*, int, Id, int)>("ncclCommInitRank");
  nccl.group_start();
  for (int rank = 0; rank < 2; ++rank) init(&both[rank], 2, id, rank);
  tell("all ranks made in a group", nccl.group_end());
  nccl.group_start();
  for (auto* const one : both) nccl.all_reduce(4, 7, 0, one);
  tell("and called in one", nccl.group_end());
  Comm three[3] = {};
  nccl.function<int(Comm*, int, const int*)>("ncclCommInitAll")(three, 3, nullptr);
  for (auto* const one : three) nccl.all_reduce(4, 7, 0, one);
  tell("three at once", 0);
  say_log();
  return 0;
}
