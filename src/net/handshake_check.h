// Whether two nodes may talk at all. Pure; both sides of a link ask it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/wire/message_codec.h"

namespace gyre {

// Bounds the links that a peer can make us dial.
inline constexpr std::uint16_t kPeerShardsMax = 1'024;

// What speaks against any link with the sender of `theirs`, as a sentence for the operator of this
// node; nullopt if nothing does. Whether the sender is a known member is not asked here.
std::optional<std::string> ObjectionTo(const Handshake& theirs, const Handshake& ours);
// The same, where the two are to be peers: they must agree about the ring.
std::optional<std::string> RingObjectionTo(const Handshake& theirs, const Handshake& ours);

}  // namespace gyre
