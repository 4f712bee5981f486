/** Runs as a Parquet file. Its library is large: whoever needs this imports it when it is needed. */
import { parquetWriteBuffer } from "hyparquet-writer";
import { type ColumnId, columnOf, fileColumns, type Row, valueIn } from "./columns";

/** Metrics and durations are doubles, all else is text; what a run does not have is null. */
export const rowsToParquet = (rows: readonly Row[], ids: readonly ColumnId[]): ArrayBuffer =>
  parquetWriteBuffer({
    columnData: fileColumns(ids).map(({ id, name }) => ({
      name,
      data: rows.map((row) => valueIn(row, id)),
      type: columnOf(id).isNumber ? "DOUBLE" : "STRING",
      nullable: true,
    })),
  });
