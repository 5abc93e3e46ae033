// Small files that must survive a crash: written whole or not at all, removed for good.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre {

// kIoError: "`what` `path`: <what errno says>".
tl::unexpected<Error> FailErrno(std::string_view what, const std::string& path);

// Errors: kIoError. nullopt: no such file. REQUIRES of the caller: the file is small.
Result<std::optional<std::string>> ReadSmallFile(const std::string& path);
// The file holds `bytes`, durably, or what it held before. Errors: kIoError.
Status WriteFileDurably(const std::string& folder, const std::string& name, std::string_view bytes);
// Gone, durably; no error if there was none. Errors: kIoError.
Status RemoveFileDurably(const std::string& folder, const std::string& name);
Status SyncFolder(const std::string& folder);

}  // namespace gyre
