// Feeds any bytes to the decoders, as a hostile peer or a damaged disk would. What decodes must
// encode to the same bytes: one message, one form.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "core/membership/member_book.h"
#include "core/membership/membership_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto decoded = gyre::DecodeMembership(bytes);
  if (decoded.has_value()) GYRE_CHECK(gyre::EncodeMembership(*decoded).view() == bytes);
  (void)gyre::DecodeMemberBook(bytes);
  return 0;
}
