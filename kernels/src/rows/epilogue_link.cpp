// SPDX-License-Identifier: Apache-2.0
#include "rows/epilogue_link.h"

#include <array>

#include <fmt/format.h>

namespace p2plab {

static_assert(static_cast<int>(Norm::off) == args::norm_none && static_cast<int>(Norm::rms) == args::norm_rms &&
              static_cast<int>(Norm::layer) == args::norm_layer);
static_assert(static_cast<int>(Float8::off) == args::float8_none && static_cast<int>(Float8::tensor) == args::float8_tensor &&
              static_cast<int>(Float8::token) == args::float8_token && static_cast<int>(Float8::group) == args::float8_group);
static_assert(Epilogue::group == args::float8_group_elements);

Result<args::EpilogueCall> link_epilogue(const Epilogue& epilogue, const Payload& payload, std::uint64_t source, const EpilogueBuffers& buffers) {
  args::EpilogueCall call{.source = source,
                          .rows = static_cast<std::uint32_t>(rows_of(epilogue, payload)),
                          .hidden = static_cast<std::uint32_t>(epilogue.hidden),
                          .epsilon = epilogue.epsilon,
                          .norm = static_cast<std::uint8_t>(epilogue.norm),
                          .float8 = static_cast<std::uint8_t>(epilogue.float8)};
  struct Tensor {
    const char* name;
    bool wanted;
    std::uint64_t given;
    std::uint64_t* place;
  };
  const bool quantises = epilogue.float8 != Float8::off;
  const std::array tensors{Tensor{"residual", epilogue.residual, buffers.residual, &call.residual},
                           Tensor{"weight", epilogue.weight, buffers.weight, &call.weight},
                           Tensor{"bias", epilogue.bias, buffers.bias, &call.bias},
                           Tensor{"sum", epilogue.gives_sum, buffers.sum, &call.sum},
                           Tensor{"normed output", epilogue.gives_norm, buffers.normed, &call.normed},
                           Tensor{"float8 output", quantises, buffers.quantised, &call.quantised},
                           Tensor{"scales", quantises, buffers.scales, &call.scales}};
  for (const auto& tensor : tensors) {
    if (!tensor.wanted) continue;
    if (tensor.given == 0) return Error{ErrorCode::invalid_input, fmt::format("the epilogue's {} is missing", tensor.name)};
    constexpr std::uint64_t vector = 16;
    const auto unit = tensor.place == &call.scales ? 4 : vector;
    if (tensor.given % unit != 0)
      return Error{ErrorCode::invalid_input, fmt::format("the epilogue's {} does not begin at a multiple of {} bytes", tensor.name, unit)};
    *tensor.place = tensor.given;
  }
  return call;
}

}  // namespace p2plab
