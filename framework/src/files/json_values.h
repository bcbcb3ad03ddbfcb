// SPDX-License-Identifier: Apache-2.0
// The values that plan and program files have in common, as JSON.
#pragma once

#include <string>

#include "files/json_reader.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

using Json = nlohmann::ordered_json;

/// What a file may name at most.
inline constexpr std::int64_t most_ranks = 1 << 20;
inline constexpr std::int64_t most_links = 1 << 30;

/// A buffer as one letter: input, output, scratch, host.
inline constexpr std::string_view buffer_letters = "iosh";

Json collective_json(const Collective& collective);
Json payload_json(const Payload& payload);
Json tuning_json(const Tuning& tuning);

/// The readers keep the first mistake in the value's document and go on with something harmless.
Collective read_collective(const JsonValue& value);
Payload read_payload(const JsonValue& value);
Tuning read_tuning(const JsonValue& value);

/// A document as it is written to files: one line, texts that are not UTF-8 repaired.
std::string dump(const Json& document);

}  // namespace p2plab
