// Feeds any bytes to the decoders of records, contexts and notes of a clean stop. What decodes must
// encode to the same bytes: one thing, one form.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "core/causality/actor.h"
#include "core/causality/merge.h"
#include "core/causality/record.h"

namespace gyre {
namespace {

void TryRecord(std::string_view bytes) {
  const auto record = Record::Decode(Bytes(bytes));
  if (!record.has_value()) return;
  GYRE_CHECK(record->Encode().view() == bytes);
  GYRE_CHECK(record->CheckLimits().has_value());
  GYRE_CHECK(Join(*record, *record) == *record);
  GYRE_CHECK(Compare(*record, *record) == Causal::kEqual);
}

// The same under a guard that is right, or chance would never get past it; the checksums of values
// are left to chance, so most of what gets in has tombstones and empty values.
void TryGuarded(std::string_view metadata_and_values, std::size_t metadata_bytes) {
  std::string bytes(4 + 1 + SizedBytes(metadata_bytes), '\0');
  Writer out(bytes.data() + 4);
  out.U8(1);
  out.Varint(metadata_bytes);
  out.Raw(metadata_and_values.substr(0, metadata_bytes));
  Writer(bytes.data()).U32(Crc32c(std::string_view(bytes).substr(4)));
  bytes += metadata_and_values.substr(metadata_bytes);
  TryRecord(bytes);
}

void TryContext(std::string_view text) {
  const auto context = DecodeContext(text);
  if (context.has_value()) GYRE_CHECK(EncodeContext(*context) == text);
}

void TryVector(std::string_view bytes) {
  Reader in(bytes);
  const VersionVector vector = VersionVector::Decode(in);
  if (!in.ok()) return;
  const std::size_t used = bytes.size() - in.remaining();
  std::string encoded(vector.EncodedBytes(), '\0');
  Writer out(encoded.data());
  vector.Encode(out);
  GYRE_CHECK(encoded == bytes.substr(0, used));
  GYRE_CHECK(DecodeContext(EncodeContext(vector)).value() == vector || encoded.size() > 40'000);
}

void TryCleanStop(std::string_view bytes) {
  std::string guarded(bytes);
  guarded.append(4, '\0');
  Writer(guarded.data() + bytes.size()).U32(Crc32c(bytes));
  for (const std::string_view tried : {bytes, std::string_view(guarded)}) {
    const auto stop = DecodeCleanStop(tried);
    if (stop.has_value()) GYRE_CHECK(EncodeCleanStop(*stop) == tried);
  }
}

}  // namespace
}  // namespace gyre

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      gyre::TryRecord(bytes);
      break;
    case 1:
      gyre::TryGuarded(bytes, bytes.size() - bytes.size() / (1 + data[0]));
      break;
    case 2:
      gyre::TryContext(bytes);
      break;
    case 3:
      gyre::TryVector(bytes);
      break;
    case 4:
      gyre::TryCleanStop(bytes);
      break;
  }
  return 0;
}
