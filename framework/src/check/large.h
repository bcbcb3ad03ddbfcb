// SPDX-License-Identifier: Apache-2.0
// Lists with an element for each operand or instruction: in large pages, where the system gives them when asked, so that going through millions of
// them in another order than they lie in does not wait for page tables.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace p2plab::checking {

template <class T>
class LargePages {
 public:
  using value_type = T;
  LargePages() = default;
  template <class U>
  LargePages(const LargePages<U>&) {}  // NOLINT: as every allocator

  T* allocate(std::size_t count) {
    const auto bytes = count * sizeof(T);
    if (bytes < least) return static_cast<T*>(::operator new(bytes));
    auto* const memory = ::operator new (bytes, std::align_val_t{page});
    madvise(memory, bytes, MADV_HUGEPAGE);  // advice: where it is not followed, small pages do
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) {
    if (count * sizeof(T) < least) return ::operator delete(memory);
    ::operator delete (memory, std::align_val_t{page});
  }
  friend bool operator==(const LargePages&, const LargePages&) { return true; }

 private:
  static constexpr std::size_t page = std::size_t{2} << 20;
  static constexpr std::size_t least = 2 * page;
};

template <class T>
using Large = std::vector<T, LargePages<T>>;

}  // namespace p2plab::checking
