#include "net/link_compression.h"

#include <lz4frame.h>

#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

// Of a large frame, at a time.
constexpr std::size_t kPieceBytes = 256 * 1024;

constexpr LZ4F_preferences_t kPreferences = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB,
                  .blockMode = LZ4F_blockLinked,
                  .contentChecksumFlag = LZ4F_noContentChecksum,  // frames have their own
                  .frameType = LZ4F_frame,
                  .contentSize = 0,
                  .dictID = 0,
                  .blockChecksumFlag = LZ4F_noBlockChecksum},
    .compressionLevel = 0,
    .autoFlush = 1,
    .favorDecSpeed = 0,
    .reserved = {}};

LZ4F_cctx* NewCompression() {
  LZ4F_cctx* context = nullptr;
  GYRE_CHECK(!LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)));
  return context;
}

LZ4F_dctx* NewExpansion() {
  LZ4F_dctx* context = nullptr;
  GYRE_CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)));
  return context;
}

}  // namespace

LinkCompressor::LinkCompressor()
    : context_(NewCompression(), [](LZ4F_cctx* context) { LZ4F_freeCompressionContext(context); }),
      compressed_(LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(kPieceBytes, &kPreferences), '\0') {
  begun_bytes_ =
      LZ4F_compressBegin(context_.get(), compressed_.data(), LZ4F_HEADER_SIZE_MAX, &kPreferences);
  GYRE_CHECK(!LZ4F_isError(begun_bytes_));
}

LinkCompressor::~LinkCompressor() = default;

void LinkCompressor::Append(std::string_view bytes, OutputBuffer& out) {
  counts_.bytes_before += bytes.size();
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    const std::size_t head = std::exchange(begun_bytes_, 0);
    const std::size_t written =
        LZ4F_compressUpdate(context_.get(), compressed_.data() + head, compressed_.size() - head,
                            piece.data(), piece.size(), nullptr);
    GYRE_CHECK(!LZ4F_isError(written));  // there is room for the worst
    out.Append(std::string_view(compressed_).substr(0, head + written));
    counts_.bytes_after += head + written;
    bytes.remove_prefix(piece.size());
  }
}

LinkExpander::LinkExpander()
    : context_(NewExpansion(), [](LZ4F_dctx* context) { LZ4F_freeDecompressionContext(context); }) {
}

LinkExpander::~LinkExpander() = default;

Result<std::size_t> LinkExpander::Step(std::string_view wire, GrowBuffer& plain) {
  std::size_t taken = wire.size();
  std::size_t added = kStepBytes;
  const std::size_t hint = LZ4F_decompress(context_.get(), plain.Reserve(kStepBytes), &added,
                                           wire.data(), &taken, nullptr);
  // 0: the stream is at its end, which none has.
  if (LZ4F_isError(hint) || hint == 0 || (taken == 0 && added == 0 && !wire.empty())) {
    return Fail(ErrorCode::kCorruption,
                std::string("compressed bytes cannot be read: ") +
                    (LZ4F_isError(hint) ? LZ4F_getErrorName(hint) : "they end"));
  }
  plain.Commit(added);
  return taken;
}

}  // namespace gyre
