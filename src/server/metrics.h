// The node's numbers in Prometheus' text format (version 0.0.4), for GET /metrics.
#pragma once

#include <string>
#include <string_view>

#include "server/node_stats.h"

namespace gyre {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string MetricsText(const NodeStats& stats, std::string_view node_name);

}  // namespace gyre
