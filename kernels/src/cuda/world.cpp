#include "cuda/world.h"

#include <cstring>

#include <cuda_runtime.h>
#include <fmt/format.h>

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
template <class T>
T take(const std::string& text, std::size_t& at) {
  T value{};
  if (at + sizeof value <= text.size()) std::memcpy(&value, text.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

// Where a piece of another process lies there, and where here.
struct Moved {
  std::uint64_t there = 0;
  std::uint64_t here = 0;
  std::uint64_t bytes = 0;
};

// Addresses that lie in none of the pieces are null here: nobody may touch what was not given.
std::uint64_t moved(std::uint64_t address, const std::vector<Moved>& pieces) {
  for (const auto& piece : pieces) {
    if (address >= piece.there && address < piece.there + piece.bytes) return piece.here + (address - piece.there);
  }
  return 0;
}

std::vector<std::uint64_t*> words_of(RankAddresses& at) {
  std::vector<std::uint64_t*> words{&at.landing, &at.host_landing, &at.token, &at.flags, &at.host_flags};
  for (auto& buffer : at.buffers) words.push_back(&buffer);
  return words;
}

}  // namespace

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

Result<DeviceMemory> allocate_shareable(Bytes size) { return allocate(rounded(size, page)); }

Result<World> World::create(Session& session, int device) {
  World world(session, device);
  if (auto done = use_device(device); !done) return std::move(done).error();
  const auto size = rounded(Bytes{64 * (session.ranks() + 2)}, host_page);
  auto file = processes::make_shared_file(size);
  if (auto well = processes::all_well(session, file ? Status{} : Status{file.error()}); !well) return std::move(well).error();
  const auto files = session.share(file->get());
  if (!files) return files.error();
  auto common = SharedPinned::map(files->front().get(), size);  // rank 0's serves all
  if (auto well = processes::all_well(session, common ? Status{} : Status{common.error()}); !well) return std::move(well).error();
  world.common_ = *std::move(common);
  const auto abort = world.abort();
  const auto gate = world.gate();
  // Kernels that wait for a rank that is gone look at the abort word; those not yet begun wait at the gate.
  session.on_loss([abort, gate] {
    *reinterpret_cast<volatile std::uint32_t*>(abort) = 1;
    *reinterpret_cast<volatile std::uint32_t*>(gate) = 1;
  });
  return world;
}

World::~World() {
  if (common_.address() == 0) return;  // moved from
  session_->on_loss({});
  for (auto* const memory : opened_) cudaIpcCloseMemHandle(memory);
}

Result<std::uint64_t> World::own_host_memory(Bytes size) {
  host_size_ = rounded(size, host_page);
  auto file = processes::make_shared_file(host_size_);
  if (!file) return std::move(file).error();
  auto pinned = SharedPinned::map(file->get(), host_size_);
  if (!pinned) return std::move(pinned).error();
  host_file_ = *std::move(file);
  host_ = *std::move(pinned);
  return host_.address();
}

Result<std::uint64_t> World::open(const std::string& handle) {
  cudaIpcMemHandle_t value;
  if (handle.size() != sizeof value) return Error{ErrorCode::device_failure, "a handle of GPU memory came in pieces"};
  std::memcpy(&value, handle.data(), sizeof value);
  void* memory = nullptr;
  if (auto done = check(cudaIpcOpenMemHandle(&memory, value, cudaIpcMemLazyEnablePeerAccess), "open another process's GPU memory"); !done)
    return std::move(done).error();
  opened_.push_back(memory);
  return reinterpret_cast<std::uint64_t>(memory);
}

Result<std::vector<RankAddresses>> World::exchange(const RankAddresses& mine, const std::vector<Piece>& pieces) {
  std::string text;
  append(text, mine);
  append(text, host_.address());
  append(text, static_cast<std::uint64_t>(host_size_.count()));
  Status exported;
  for (const auto& piece : pieces) {
    cudaIpcMemHandle_t handle{};
    if (exported) exported = check(cudaIpcGetMemHandle(&handle, reinterpret_cast<void*>(piece.address)), "give GPU memory to other processes");
    append(text, piece.address);
    append(text, static_cast<std::uint64_t>(piece.size.count()));
    append(text, handle);
  }
  // One that cannot makes all turn back, with one reason.
  if (!exported) exported = Error{ErrorCode::unsupported, exported.error().message};
  if (auto well = processes::all_well(*session_, exported); !well) return std::move(well).error();
  const auto texts = session_->all_gather(text);
  if (!texts) return texts.error();
  const auto hosts = session_->share(host_file_.get());
  if (!hosts) return hosts.error();
  std::vector<RankAddresses> all;
  Status opened;
  for (std::size_t r = 0; r < texts->size() && opened; ++r) {
    std::size_t at = 0;
    auto theirs = take<RankAddresses>((*texts)[r], at);
    if (r == rank().index()) {
      all.push_back(mine);
      continue;
    }
    std::vector<Moved> moves;
    const auto host_there = take<std::uint64_t>((*texts)[r], at);
    const auto host_bytes = take<std::uint64_t>((*texts)[r], at);
    auto host = SharedPinned::map((*hosts)[r].get(), Bytes{static_cast<std::int64_t>(host_bytes)});
    if (!host) {
      opened = std::move(host).error();
      break;
    }
    moves.push_back({host_there, host->address(), host_bytes});
    other_hosts_.push_back(*std::move(host));
    while (at + 2 * sizeof(std::uint64_t) + sizeof(cudaIpcMemHandle_t) <= (*texts)[r].size() && opened) {
      Moved move{.there = take<std::uint64_t>((*texts)[r], at), .here = 0, .bytes = take<std::uint64_t>((*texts)[r], at)};
      const auto here = open((*texts)[r].substr(at, sizeof(cudaIpcMemHandle_t)));
      at += sizeof(cudaIpcMemHandle_t);
      if (!here)
        opened = here.error();
      else
        move.here = *here;
      moves.push_back(move);
    }
    for (auto* word : words_of(theirs)) *word = moved(*word, moves);
    all.push_back(theirs);
  }
  if (!opened) opened = Error{ErrorCode::unsupported, opened.error().message};
  if (auto well = processes::all_well(*session_, opened); !well) return std::move(well).error();
  return all;
}

}  // namespace p2plab::cuda
