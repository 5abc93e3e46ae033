// The versions of the peer protocol, and what each brought. A link speaks the highest version that
// both ends have. What may be sent to one peer is asked of its link (PeerTable::Speaks); what
// changes bytes that all members keep, of all of them (Steward): the lowest version counts.
//
// To add a feature: a line here, with the version that is not released yet. Numbers are for ever.
#pragma once

#include <cstdint>

namespace gyre {

inline constexpr std::uint16_t kProtocolVersionMin = 3;
inline constexpr std::uint16_t kProtocolVersion = 5;

struct ProtocolRange {
  std::uint16_t min = kProtocolVersionMin;
  std::uint16_t max = kProtocolVersion;
};

enum class Feature : std::uint8_t {
  kSplit,        // layouts of partitions that have been split (ring/layout.cc, second format)
  kStreaming,    // RangeGet and its reply; without them the leaves are compared
  kRegions,      // local_quorum and each_quorum in a request
  kCompression,  // what comes on a link may be compressed
  kFilling,      // greetings tell of a disk that has yet to fill up
};

constexpr std::uint16_t FirstVersionOf(Feature feature) {
  switch (feature) {
    case Feature::kSplit:
    case Feature::kStreaming:
    case Feature::kRegions:
      return 4;
    case Feature::kCompression:
    case Feature::kFilling:
      return 5;
  }
  return UINT16_MAX;
}

// What the handshakes of two nodes have settled between them.
struct LinkTerms {
  std::uint16_t shard_count = 1;             // the peer's
  std::uint16_t version = kProtocolVersion;  // the highest that both speak
  std::uint16_t peer_version_max = kProtocolVersion;
};

}  // namespace gyre
