// What a node that is no member yet says to one that is, as a guest (net/peer_links.h), in a
// NodeMessage with Topic::kLayout: who it is, and that it wants to join. The answer, once it is
// one, is the layout that has it (BallotDecided, core/membership); or a refusal with a reason.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/ring/ring.h"

namespace gyre {

std::string EncodeKnock(const Member& member);
// nullopt: it is none.
std::optional<Member> DecodeKnock(std::string_view body);

std::string EncodeKnockRefusal(std::string_view reason);
std::optional<std::string> DecodeKnockRefusal(std::string_view body);

}  // namespace gyre
