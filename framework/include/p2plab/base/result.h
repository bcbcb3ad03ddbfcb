// SPDX-License-Identifier: Apache-2.0
// A value or an Error. Early return: `if (!x) return std::move(x).error();`
#pragma once

#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

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
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }

  T& operator*() & { return get(*this); }
  const T& operator*() const& { return get(*this); }
  /// By value, so that `for (auto& x : *make())` and `const auto& x = *make()` keep what they speak of.
  T operator*() && { return std::move(get(*this)); }
  T* operator->() & { return &get(*this); }
  const T* operator->() const& { return &get(*this); }

  const Error& error() const& { return fault(*this); }
  Error error() && { return std::move(fault(*this)); }

 private:
  template <class Self>
  static auto& get(Self& self) {
    expects(self.state_.index() == 0);
    return *std::get_if<0>(&self.state_);
  }
  template <class Self>
  static auto& fault(Self& self) {
    expects(self.state_.index() == 1);
    return *std::get_if<1>(&self.state_);
  }
  std::variant<T, Error> state_;
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
