// SPDX-License-Identifier: Apache-2.0
// A value or an Error. Early return: `if (!x) return std::move(x).error();`
#pragma once

#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>

#include "p2plab/base/error.h"

namespace p2plab {

/// Ends the program, in every build type, if one of our own promises is broken; never used for input.
constexpr void expects(bool promise) {
  if (!promise) std::abort();
}

/// The result of something that input, files or the machine can make fail.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place, std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return value_.has_value(); }

  T& operator*() & {
    expects(value_.has_value());
    return *value_;
  }
  const T& operator*() const& {
    expects(value_.has_value());
    return *value_;
  }
  /// By value, so that `for (auto& x : *make())` and `const auto& x = *make()` keep what they speak of.
  T operator*() && {
    expects(value_.has_value());
    return std::move(*value_);
  }
  T* operator->() & { return &**this; }
  const T* operator->() const& { return &**this; }

  const Error& error() const& {
    expects(error_.has_value());
    return *error_;
  }
  Error error() && {
    expects(error_.has_value());
    return std::move(*error_);
  }

 private:
  // One of the two. A variant would say so, and takes half as long again to compile, for each type in each source.
  std::optional<T> value_;
  std::optional<Error> error_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  explicit operator bool() const { return !error_.has_value(); }
  const Error& error() const& {
    expects(error_.has_value());
    return *error_;
  }
  Error error() && {
    expects(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace p2plab
