// Feeds any bytes to the decoders of frames and handshakes, as a hostile peer would. What decodes
// must encode to the same bytes: one message, one form.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "core/wire/message_codec.h"

namespace gyre {
namespace {

void TryBody(std::string_view body, std::uint32_t crc) {
  const auto decoded = DecodeFrameBody({static_cast<std::uint32_t>(body.size()), crc}, Bytes(body));
  if (!decoded.has_value()) return;
  const Bytes frame = EncodeFrame(*decoded);
  GYRE_CHECK(frame.size() == FrameBytes(*decoded));
  GYRE_CHECK(frame.view().substr(kFrameHeaderBytes) == body);
}

void TryFrame(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return;
  const auto header = DecodeFrameHeader(bytes.substr(0, kFrameHeaderBytes));
  if (header.has_value()) {
    DecodeFrameBody(*header, Bytes(bytes.substr(kFrameHeaderBytes)));
  }
}

void TryHandshake(std::string_view bytes) {
  std::size_t used = 0;
  const auto decoded = DecodeHandshake(bytes, used);
  if (!decoded.has_value() || !decoded->has_value()) return;
  GYRE_CHECK(used <= bytes.size());
  // A later version may have appended fields that this one cannot write.
  if ((*decoded)->version_max > kProtocolVersion) return;
  GYRE_CHECK(EncodeHandshake(**decoded) == bytes.substr(0, used));
}

// Magic, length and checksum made right around any fields.
void TryFields(std::string_view fields) {
  std::string bytes(4 + 2 + fields.size() + 4, '\0');
  Writer out(bytes.data());
  out.Raw("GYRE");
  out.U16(static_cast<std::uint16_t>(fields.size()));
  out.Raw(fields);
  out.U32(Crc32c(std::string_view(bytes).substr(0, bytes.size() - 4)));
  TryHandshake(bytes);
}

}  // namespace
}  // namespace gyre

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      gyre::TryFrame(bytes);
      break;
    case 1:
      gyre::TryBody(bytes, gyre::Crc32c(bytes));
      break;
    case 2:
      gyre::TryHandshake(bytes);
      break;
    case 3:
      if (bytes.size() < 65'000) gyre::TryFields(bytes);
      break;
  }
  return 0;
}
