// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/peer_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "cuda/memory/own_process.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr std::int64_t page = std::int64_t{2} << 20;  // of GPU memory
constexpr std::int64_t host_page = 4096;

Bytes rounded(Bytes size, std::int64_t unit) { return Bytes{std::max<std::int64_t>((size.count() + unit - 1) / unit, 1) * unit}; }

template <class T>
void append(std::string& text, const T& value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void set_word(std::uint64_t address) { *reinterpret_cast<volatile std::uint32_t*>(address) = 1; }

// What an address of another process is here; null if it lies in nothing that was given: nobody may touch that.
template <class Moves>
std::uint64_t moved(std::uint64_t address, const Moves& moves) {
  for (const auto& piece : moves) {
    if (address >= piece.there && address < piece.there + piece.bytes) return piece.here + (address - piece.there);
  }
  return 0;
}

std::vector<std::uint64_t*> words_of(RankAddresses& at) {
  std::vector<std::uint64_t*> words{&at.landing, &at.host_landing, &at.token, &at.flags, &at.host_flags, &at.reports};
  for (auto& buffer : at.buffers) words.push_back(&buffer);
  return words;
}

// A piece of GPU memory in a message: its address, its size, its handle.
Status append_piece(std::string& text, std::uint64_t address, std::uint64_t bytes) {
  cudaIpcMemHandle_t handle{};
  if (auto done = check(cudaIpcGetMemHandle(&handle, reinterpret_cast<void*>(address)), "give GPU memory to other processes"); !done) return done;
  append(text, address);
  append(text, bytes);
  append(text, handle);
  return {};
}

// If any rank fails, all ranks return the same error.
Status all_able(Session& session, const Status& mine) {
  return processes::all_well(session, mine ? Status{} : Status{Error{ErrorCode::unsupported, mine.error().message}});
}

}  // namespace

// Reads a message from its beginning; zeros from its end on.
struct PeerMemory::Reader {
  const std::string& text;
  std::size_t at = 0;

  template <class T>
  T take() {
    T value{};
    if (at + sizeof value <= text.size()) std::memcpy(&value, text.data() + at, sizeof value);
    at += sizeof value;
    return value;
  }
  // What `append_piece` wrote, opened; or left as it is (nullptr), which is right in the process that wrote it.
  Result<Moved> piece(OpenedMemory* opened) {
    Moved move{.there = take<std::uint64_t>(), .here = 0, .bytes = take<std::uint64_t>()};
    const auto handle = take<cudaIpcMemHandle_t>();
    move.here = move.there;
    if (opened == nullptr) return move;
    const auto here = opened->open(&handle);
    if (!here) return here.error();
    move.here = *here;
    return move;
  }
};

Result<SharedPinned> SharedPinned::map(int file, Bytes size) {
  auto mapping = processes::Mapping::map(file, size);
  if (!mapping) return std::move(mapping).error();
  const auto bytes = mapping->bytes();
  const auto code = cudaHostRegister(bytes.data(), bytes.size(), cudaHostRegisterPortable | cudaHostRegisterMapped);
  if (auto done = check(code, "pin memory that processes share"); !done) return std::move(done).error();
  SharedPinned pinned;
  pinned.mapping_ = *std::move(mapping);
  return pinned;
}

SharedPinned::~SharedPinned() {
  if (mapping_) cudaHostUnregister(mapping_->bytes().data());
}

OpenedMemory::~OpenedMemory() {
  for (auto* const memory : opened_) cudaIpcCloseMemHandle(memory);
}

Result<std::uint64_t> OpenedMemory::open(const void* handle) {
  cudaIpcMemHandle_t value;
  std::memcpy(&value, handle, sizeof value);
  void* memory = nullptr;
  if (auto done = check(cudaIpcOpenMemHandle(&memory, value, cudaIpcMemLazyEnablePeerAccess), "open another process's GPU memory"); !done)
    return std::move(done).error();
  opened_.push_back(memory);
  return reinterpret_cast<std::uint64_t>(memory);
}

Result<std::unique_ptr<PeerMemory>> PeerMemory::create(Session& session) {
  std::unique_ptr<PeerMemory> peer_memory{new PeerMemory(session)};
  const Bytes size{host_page};
  auto file = processes::make_shared_file(size);
  if (auto well = processes::all_well(session, file ? Status{} : Status{file.error()}); !well) return std::move(well).error();
  peer_memory->common_file_ = *std::move(file);
  const auto files = session.share(peer_memory->common_file_.get());
  if (!files) return files.error();
  auto common = SharedPinned::map(files->front().get(), size);  // rank 0's serves all
  if (auto well = processes::all_well(session, common ? Status{} : Status{common.error()}); !well) return std::move(well).error();
  peer_memory->common_ = *std::move(common);
  peer_memory->known_.resize(static_cast<std::size_t>(session.ranks()));
  peer_memory->loss_subscription_ = session.on_loss([raw = peer_memory.get()] { raw->rank_is_gone(); });
  return peer_memory;
}

// Kernels that wait for a rank that is gone look at their abort word; those not yet begun wait at the gate.
void PeerMemory::rank_is_gone() {
  const std::lock_guard lock(mutex_);
  lost_ = true;
  for (const auto abort : aborts_) set_word(abort);
  set_word(gate());
}

void PeerMemory::watch(std::uint64_t abort) {
  const std::lock_guard lock(mutex_);
  aborts_.push_back(abort);
  if (lost_) set_word(abort);
}

void PeerMemory::forget(std::uint64_t abort) {
  const std::lock_guard lock(mutex_);
  std::erase(aborts_, abort);
}

Result<Extent> PeerMemory::make_extent(Bytes size) {
  size = rounded(size, page);
  auto memory = allocate(size);
  if (!memory) return std::move(memory).error();
  const auto address = memory->address();
  Extent extent{address, size, std::shared_ptr<void>(memory->release(), free_device)};
  remember_owner(address, extent.memory);
  return extent;
}

Result<Extent> PeerMemory::make_host_extent(Bytes size) {
  size = rounded(size, host_page);
  auto file = processes::make_shared_file(size);
  if (!file) return std::move(file).error();
  auto pinned = SharedPinned::map(file->get(), size);
  if (!pinned) return std::move(pinned).error();
  auto owner = std::make_shared<SharedPinned>(*std::move(pinned));
  const auto address = owner->address();
  host_files_.emplace_back(address, *std::move(file));
  return Extent{address, size, owner};
}

// The message of a rank: its addresses, its new extents of host memory, its new extents of GPU memory, allocations that are the caller's.
Status PeerMemory::write(const MemoryOffer& offer, std::string& text) {
  append(text, offer.addresses);
  append(text, this_process());
  append(text, offer.host_memory.size() - hosts_given_);
  for (const auto& extent : offer.host_memory.subspan(hosts_given_)) {
    append(text, extent.address);
    append(text, static_cast<std::uint64_t>(extent.size.count()));
  }
  append(text, offer.memory.size() - given_);
  for (const auto& extent : offer.memory.subspan(given_)) {
    if (auto done = append_piece(text, extent.address, static_cast<std::uint64_t>(extent.size.count())); !done) return done;
  }
  std::vector<Allocation> allocations;
  for (const auto address : offer.registered) {
    const auto found = allocation_of(address);
    if (!found) return found.error();
    const auto same = [&](const Allocation& a) { return a.address == found->address; };
    if (std::ranges::none_of(allocations, same)) allocations.push_back(*found);
  }
  append(text, allocations.size());
  for (const auto& a : allocations) {
    if (auto done = append_piece(text, a.address, static_cast<std::uint64_t>(a.size.count())); !done) return done;
  }
  return {};
}

// File descriptors are all-gathered one a rank and round: as many rounds as any rank has new extents. A rank without a new one sends a known one.
Status PeerMemory::open_hosts(const MemoryOffer& mine, std::vector<Reader>& readers) {
  std::vector<std::size_t> counts;
  here_.clear();
  for (auto& reader : readers) {
    reader.take<RankAddresses>();
    here_.push_back(reader.take<ProcessName>() == this_process());
    counts.push_back(reader.take<std::size_t>());
  }
  Status opened;
  for (std::size_t round = 0; round < std::ranges::max(counts); ++round) {
    auto file = common_file_.get();
    if (round < counts[rank().index()]) {
      const auto address = mine.host_memory[hosts_given_ + round].address;
      file = std::ranges::find(host_files_, address, &std::pair<std::uint64_t, FileDescriptor>::first)->second.get();
    }
    const auto files = session_.share(file);
    if (!files) return files.error();
    for (std::size_t r = 0; r < readers.size(); ++r) {
      if (round >= counts[r]) continue;
      Moved move{.there = readers[r].take<std::uint64_t>(), .here = 0, .bytes = readers[r].take<std::uint64_t>()};
      if (r == rank().index() || !opened) continue;
      auto host = SharedPinned::map((*files)[r].get(), Bytes{static_cast<std::int64_t>(move.bytes)});
      if (!host) {
        opened = std::move(host).error();
        continue;
      }
      move.here = host->address();
      known_[r].push_back(move);
      other_hosts_.push_back(*std::move(host));
    }
  }
  return opened;
}

// Skips the handles of this process, of which other threads may be ranks: a process cannot open an IPC handle of its own.
Result<std::vector<std::vector<PeerMemory::Moved>>> PeerMemory::open_pieces(std::vector<Reader>& readers, OpenedMemory& opened) {
  std::vector<std::vector<Moved>> moves(readers.size());
  for (std::size_t r = 0; r < readers.size(); ++r) {
    const auto count = readers[r].take<std::size_t>();
    if (count > readers[r].text.size()) return Error{ErrorCode::device_failure, fmt::format("rank {} sent a broken message", r)};
    for (std::size_t i = 0; i < count; ++i) {
      const auto move = readers[r].piece(here_[r] ? nullptr : &opened);
      if (!move) return move.error();
      if (here_[r] && r != rank().index()) {
        if (auto done = reach_own_memory(move->here); !done) return done.error();
        // Its rank may end before this one's kernels do.
        if (auto owner = owner_of(move->here); owner != nullptr) owners_.push_back(std::move(owner));
      }
      moves[r].push_back(*move);
    }
  }
  return moves;
}

Result<PeerMemory::Received> PeerMemory::exchange(const MemoryOffer& mine) {
  std::string text;
  const auto written = usable_ ? write(mine, text) : usable_;
  if (auto well = all_able(session_, written); !well) return std::move(well).error();
  const auto texts = session_.all_gather(text);
  if (!texts) return texts.error();
  std::vector<Reader> readers;
  for (const auto& theirs : *texts) readers.push_back({theirs, 0});
  using Pieces = Result<std::vector<std::vector<Moved>>>;
  const auto hosts = open_hosts(mine, readers);
  const auto extents = hosts ? open_pieces(readers, extents_) : Pieces{hosts.error()};
  given_ = mine.memory.size();
  hosts_given_ = mine.host_memory.size();
  usable_ = all_able(session_, extents ? Status{} : Status{extents.error()});
  if (!usable_) return usable_.error();
  for (std::size_t r = 0; r < readers.size(); ++r) known_[r].insert(known_[r].end(), (*extents)[r].begin(), (*extents)[r].end());
  Received received;
  const auto registered = open_pieces(readers, received.registered);
  if (auto well = all_able(session_, registered ? Status{} : Status{registered.error()}); !well) return std::move(well).error();
  for (std::size_t r = 0; r < readers.size(); ++r) {
    received.addresses.push_back(mine.addresses);
    if (r == rank().index()) continue;
    auto& theirs = received.addresses.back();
    theirs = Reader{(*texts)[r], 0}.take<RankAddresses>();
    auto moves = known_[r];
    moves.insert(moves.end(), (*registered)[r].begin(), (*registered)[r].end());
    for (auto* word : words_of(theirs)) *word = moved(*word, moves);
  }
  return received;
}

}  // namespace p2plab::cuda
