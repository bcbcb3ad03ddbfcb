// SPDX-License-Identifier: Apache-2.0
// The file of a recorder: made, mapped, and left behind or taken along.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "monitor/recorder.h"

namespace p2plab::monitor {

namespace {

std::uint64_t clock_ns(clockid_t which) {
  timespec time{};
  clock_gettime(which, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// Field 22 of /proc/self/stat; what stands before it may hold blanks and brackets.
std::uint64_t start_of_process() {
  char text[1024];
  const int file = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const auto got = read(file, text, sizeof text - 1);
  ::close(file);
  if (got <= 0) return 0;
  text[got] = '\0';
  const char* at = std::strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
  return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

constexpr std::size_t page_bytes = 4096;

Level level_by(Lookup lookup, Level unset) {
  const char* text = lookup("P2PLAB_MONITOR");
  if (text == nullptr) return unset;
  if (*text == '\0' || std::strcmp(text, "off") == 0 || std::strcmp(text, "0") == 0) return Level::off;
  if (std::strcmp(text, "basic") == 0 || std::strcmp(text, "1") == 0) return Level::basic;
  if (std::strcmp(text, "detailed") == 0) return Level::detailed;
  if (std::strcmp(text, "steps") == 0) return Level::steps;
  std::fprintf(stderr, "p2plab: P2PLAB_MONITOR is '%s'; it can be off, basic, detailed or steps; nothing is recorded\n", text);
  return Level::off;
}

}  // namespace

void copy_text(char* to, std::size_t size, const char* from) {
  std::strncpy(to, from == nullptr ? "" : from, size - 1);
  to[size - 1] = '\0';
}

std::uint64_t now() { return clock_ns(CLOCK_MONOTONIC); }

std::uint64_t number_of(const void* bytes, std::size_t size) {
  std::uint64_t number = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < size; ++i) number = (number ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3;
  return number;
}

const char* folder_by(Lookup lookup) {
  const char* folder = lookup("P2PLAB_MONITOR_DIR");
  return folder != nullptr && *folder != '\0' ? folder : nullptr;
}

std::unique_ptr<Recorder> Recorder::of_lookup(const char* source, Lookup lookup, int part, int time) noexcept {
  return open({.source = source, .level = level_by(lookup, Level::off), .folder = folder_by(lookup), .part = part, .time = time});
}

Recorder* Recorder::of_process(const char* source, Lookup lookup, Level unset, std::uint32_t replays) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): what is loaded into a process has no owner in it
  static Recorder* const all = open({.source = source, .level = level_by(lookup, unset), .folder = folder_by(lookup), .replays = replays}).release();
  static const int closing = all == nullptr ? 0 : std::atexit([] { all->close(); });
  static_cast<void>(closing);
  return all;
}

std::unique_ptr<Recorder> Recorder::open(const RecorderOptions& options) noexcept {
  if (options.level == Level::off || !std::has_single_bit(options.calls) || !std::has_single_bit(options.steps)) return nullptr;
  std::unique_ptr<Recorder> recorder(new (std::nothrow) Recorder);
  if (!recorder || recorder->map(options)) return recorder;
  std::fprintf(stderr, "p2plab: nothing is recorded: cannot make %s: %s\n", recorder->path_, std::strerror(errno));
  return nullptr;
}

// A file of the same name is of an earlier process with this number, and of this user, or the name cannot be taken.
bool Recorder::map(const RecorderOptions& options) {
  pid_ = getpid();
  level_ = options.level;
  calls_ = options.calls;
  steps_ = level_ == Level::steps ? options.steps : 0;
  kept_ = options.folder != nullptr;
  replays_ = options.replays;
  size_ = file_bytes(calls_, steps_, replays_);
  char number[32] = "";
  if (options.part >= 0) std::snprintf(number, sizeof number, "-%d.%d", options.part, options.time);
  const auto length =
      std::snprintf(path_, sizeof path_, "%s/p2plab-monitor-%d-%s%s", kept_ ? options.folder : "/dev/shm", pid_, options.source, number);
  if (length >= static_cast<int>(sizeof path_)) return errno = ENAMETOOLONG, false;
  unlink(path_);
  const int file = ::open(path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return false;
  // Space is taken now: a full disk ends here and not in a signal later, and no call waits for a page.
  const int full = posix_fallocate(file, 0, static_cast<off_t>(size_));
  void* const memory = full != 0 ? MAP_FAILED : mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  void* const page = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const int why = full != 0 ? full : errno;
  ::close(file);
  if (memory == MAP_FAILED || page == MAP_FAILED || madvise(page, page_bytes, MADV_WIPEONFORK) != 0) {
    unlink(path_);
    errno = why;
    return false;
  }
  memory_ = static_cast<unsigned char*>(memory);
  alive_ = static_cast<int*>(page);
  *alive_ = 1;
  auto& header = *new (memory_) Header{};
  header.version = version;
  header.pid = static_cast<std::uint32_t>(pid_);
  header.level = static_cast<std::uint32_t>(level_);
  header.calls = calls_;
  header.steps = steps_;
  header.replays = replays_;
  header.process_start = start_of_process();
  header.opened = now();
  header.opened_wall = clock_ns(CLOCK_REALTIME);
  copy_text(header.source, sizeof header.source, options.source);
  copy_text(header.program, sizeof header.program, program_invocation_short_name);
  std::atomic_thread_fence(std::memory_order_release);
  header.magic = magic;
  return true;
}

Recorder::~Recorder() {
  if (memory_ == nullptr) return;
  close();
  munmap(memory_, size_);
  munmap(const_cast<int*>(alive_), page_bytes);
}

void Recorder::close() {
  if (!ours()) return;
  reinterpret_cast<Header*>(memory_)->closed.store(1);
  if (!kept_) unlink(path_);
}

}  // namespace p2plab::monitor
