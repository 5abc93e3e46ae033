#include "server/filling.h"

#include "storage/layout_file.h"

namespace gyre {

Result<bool> TakeFilling(const std::string& folder, bool is_new) {
  if (folder.empty()) return true;
  LayoutFile file(folder, kFillingFile);
  const auto stored = file.Load();
  if (!stored && stored.error().code == ErrorCode::kIoError) return Fail(stored.error());
  // One that cannot be read is believed to say so. A folder from before there was such a file is
  // filled if it has a database.
  if (!stored || (*stored && **stored != kFilled)) return true;
  if (!is_new) return false;
  if (Status noted = file.Store("1"); !noted) return Fail(noted.error());
  return true;
}

Status NoteFilled(const std::string& folder) {
  const Result<bool> fills = TakeFilling(folder, /*is_new=*/false);
  if (fills && !*fills) return {};
  return LayoutFile(folder, kFillingFile).Store(kFilled);
}

}  // namespace gyre
