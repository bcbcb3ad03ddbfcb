// SPDX-License-Identifier: Apache-2.0
// Parts of the gallery: reading one figure, predicting one.
#pragma once

#include <array>
#include <functional>
#include <string_view>

#include "p2plab/detail/config_value.h"
#include "p2plab/experiment/gallery.h"
#include "p2plab/program/lower.h"

namespace p2plab::gallery {

/// One of a case's figures, on a machine of so many GPUs; none if it is no map. Mistakes are noted in its file.
std::optional<GalleryFigure> read_figure(const ConfigValue& value, int ranks);
/// Who moves the data: engine (where nothing stands), pulls, stores or loads.
GalleryFigure::Mover read_mover(const ConfigValue& value);

/// "GB/s busbw", "us" and so on.
std::string_view unit_of(const GalleryFigure& figure);
/// Of these times, in the figure's unit.
GalleryPrediction prediction_of(const GalleryFigure& figure, Seconds time, Seconds fast, Seconds slow);
/// Proved and lowered, of 4-byte elements.
Result<Program> lowered(const Topology& topology, const Schedule& schedule, const Tuning& tuning, Bytes size);
/// By the profile as it is, and by its fastest and slowest ends.
Result<std::array<Seconds, 3>> at_ends(const Profile& profile, const std::function<Result<Seconds>(const Profile&)>& time);
/// By the simulator.
Result<GalleryPrediction> predicted_copies(const GalleryCase& one, const GalleryFigure& figure);

}  // namespace p2plab::gallery
