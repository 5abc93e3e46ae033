#include "core/membership/member_book.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "core/membership/membership_codec.h"

namespace gyre {
namespace {

// Of one message, so that the longest descriptions fit as well.
constexpr std::size_t kRecordsMax = 256;
static_assert(kRecordsMax * kNewsBytesMax < kMembershipBytesMax);

void AddPart(SyncRecords part, std::string& book) {
  const Bytes message = EncodeMembership(std::move(part));
  const std::size_t before = book.size();
  book.resize(before + SizedBytes(message.size()));
  Writer(book.data() + before).Sized(message.view());
}

}  // namespace

std::string EncodeMemberBook(const MemberTable& table) {
  std::string book;
  SyncRecords part;
  for (std::size_t at = 0; at < table.size(); ++at) {
    MemberNews record = table.NewsOf(table.id_at(at), /*with_description=*/true);
    if (record.life != Life::kLeft) record.life = Life::kAlive;
    part.records.push_back(std::move(record));
    if (part.records.size() == kRecordsMax) AddPart(std::exchange(part, {}), book);
  }
  if (!part.records.empty()) AddPart(std::move(part), book);
  return book;
}

Result<std::vector<MemberNews>> DecodeMemberBook(std::string_view bytes) {
  std::vector<MemberNews> records;
  Reader in(bytes);
  while (in.ok() && in.remaining() > 0) {
    const std::string_view part = in.Sized(kMembershipBytesMax);
    if (!in.ok()) break;
    Result<MembershipMessage> message = DecodeMembership(part);
    if (!message) return Fail(std::move(message.error()));
    auto* decoded = std::get_if<SyncRecords>(&*message);
    if (decoded == nullptr) return Fail(ErrorCode::kCorruption, "member book: malformed");
    for (MemberNews& record : decoded->records) {
      if (record.description == nullptr) {
        return Fail(ErrorCode::kCorruption, "member book: a record without a description");
      }
      records.push_back(std::move(record));
    }
  }
  if (!in.done()) return Fail(ErrorCode::kCorruption, "member book: malformed");
  return records;
}

}  // namespace gyre
