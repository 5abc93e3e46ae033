// What a node keeps on its disk of the members that it has heard of, itself among them: each one's
// newest record, in full, so that after a restart it knows where they were last, and which
// incarnation of its own to go on from. How they fare is not kept, but who has left: the rest is
// found out anew.
//
// Form: SyncRecords messages (membership_codec.h), each sized, to the end. docs/disk-format.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/membership/member_table.h"

namespace gyre {

// O(members).
std::string EncodeMemberBook(const MemberTable& table);
// Errors: kCorruption, kUnsupported (of a later version).
Result<std::vector<MemberNews>> DecodeMemberBook(std::string_view bytes);

}  // namespace gyre
