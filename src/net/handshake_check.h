// Whether two nodes may talk at all. Pure; both sides of a link ask it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/wire/message_codec.h"

namespace gyre {

// Bounds the links that a peer can make us dial.
inline constexpr std::uint16_t kPeerShardsMax = 1'024;

// Two clusters of one id that were founded apart. Who is in no cluster yet (ring_digest 0) is not
// of another one.
bool FoundedApart(const Handshake& theirs, const Handshake& ours);
// What speaks against any link with the sender of `theirs`, as a sentence for the operator of this
// node; nullopt if nothing does. Whether the sender is a known member is not asked here.
std::optional<std::string> ObjectionTo(const Handshake& theirs, const Handshake& ours);
// The same, where the two are to be peers: both must be in the cluster.
std::optional<std::string> PeerObjectionTo(const Handshake& theirs, const Handshake& ours);

}  // namespace gyre
