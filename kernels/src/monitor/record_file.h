// SPDX-License-Identifier: Apache-2.0
// A record file as it is read: by pread, so a file that shrinks or lies is an error and no signal. A slot is overwritten only after `next` was raised
// a lap further: what is read before `next` is looked at again, and is still within a lap of it, is whole.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "p2plab/run/processes.h"

namespace p2plab::monitor {

class RecordFile {
 public:
  static Result<RecordFile> open(const std::string& path) {
    RecordFile file{path};
    file.file_ = FileDescriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
    struct stat about {};
    if (file.file_.get() < 0 || fstat(file.file_.get(), &about) != 0)
      return Error{ErrorCode::io, fmt::format("cannot read {}: {}", path, std::strerror(errno))};
    if (!S_ISREG(about.st_mode)) return file.bad("it is no file");
    if (about.st_uid != geteuid() && geteuid() != 0) return file.bad("it is of another user");
    file.size_ = static_cast<std::uint64_t>(about.st_size);
    return file;
  }

  Error bad(const std::string& why) const { return Error{ErrorCode::invalid_input, fmt::format("{} is no record of calls: {}", path_, why)}; }

  template <class T>
  Result<std::vector<T>> read(std::size_t at, std::size_t count) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> all(count);
    std::size_t got = 0;
    while (got < count * sizeof(T)) {
      const auto more = pread(file_.get(), reinterpret_cast<char*>(all.data()) + got, count * sizeof(T) - got, static_cast<off_t>(at + got));
      if (more < 0 && errno == EINTR) continue;
      if (more <= 0) return bad("it ends too soon");
      got += static_cast<std::size_t>(more);
    }
    return all;
  }
  std::uint64_t size() const { return size_; }

 private:
  explicit RecordFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
  FileDescriptor file_;
  std::uint64_t size_ = 0;
};

// Slots of a ring from number `from` up to `next`, unwrapped: at most two reads. `next` is asked again afterwards.
template <class Raw>
struct Taken {
  std::uint64_t first = 0;
  std::vector<Raw> slots = {};
};

struct Ring {
  std::size_t begins = 0;
  std::uint64_t length = 0;
  std::size_t next_at = 0;  // in the header
};

template <class Raw>
Result<Taken<Raw>> take(const RecordFile& file, const Ring& ring, std::uint64_t from) {
  Taken<Raw> taken;
  const auto next = file.read<std::uint64_t>(ring.next_at, 1);
  if (!next) return next.error();
  const auto end = next->front();
  if (end > std::uint64_t{1} << 62) return file.bad("its counters cannot be true");
  taken.first = std::max(std::min(from, end), end > ring.length ? end - ring.length : 0);
  for (auto number = taken.first; number < end;) {
    const auto slot = number % ring.length;
    const auto count = std::min(end - number, ring.length - slot);
    auto part = file.read<Raw>(ring.begins + slot * sizeof(Raw), count);
    if (!part) return std::move(part).error();
    taken.slots.insert(taken.slots.end(), part->begin(), part->end());
    number += count;
  }
  const auto after = file.read<std::uint64_t>(ring.next_at, 1);
  if (!after) return after.error();
  const auto whole_from = after->front() > ring.length ? after->front() - ring.length : 0;
  if (whole_from > taken.first) {
    const auto lost = std::min<std::uint64_t>(whole_from - taken.first, taken.slots.size());
    taken.slots.erase(taken.slots.begin(), taken.slots.begin() + static_cast<std::ptrdiff_t>(lost));
    taken.first += lost;
  }
  return taken;
}

}  // namespace p2plab::monitor
