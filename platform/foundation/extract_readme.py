"""The page of explanation that goes with every extract, in both languages."""

from __future__ import annotations

README = {
    "zh": """\
{hospital}（{code}）数据导出
制作时间：{made_at}
行数：{rows}

本压缩包使用开放格式，无需本系统即可阅读。

tables/<表名>.jsonl  每行一条记录的 JSON，UTF-8
tables/<表名>.csv    同样的内容，UTF-8（带 BOM），可用 Excel 直接打开；以 = + - @ 开头的单元格前加了一个撇号
answers.csv          每个答案及其题目原文
files/               文件原件，文件名以其编号开头
index.json           各表、各列的中英文说明，行数，以及每个文件的 SHA-256

系统中加密保存的内容（电话号码、证件号码、反馈内容等）在此为明文，请按敏感个人信息妥善保管。
密钥、加密索引不在其中：它们在系统之外没有用处。日期为北京时间的日历日，时间带时区。
patient 一项为空表示全院数据，否则为该患者的编号，包内只有这一位患者的数据。
""",
    "en": """\
Extract of {hospital_en} ({hospital}, {code})
Made at: {made_at}
Rows: {rows}

This archive is in open formats and can be read without the system it comes from.

tables/<table>.jsonl  one record a line as JSON, UTF-8
tables/<table>.csv    the same, UTF-8 with a byte order mark, opens in a spreadsheet; a cell that begins with
                      = + - or @ has an apostrophe in front
answers.csv           each answer beside the text of its question
files/                the files themselves; each name begins with the file's id
index.json            what each table and column is in both languages, row counts, the SHA-256 of each part

What the system keeps encrypted (telephone and ID numbers, feedback) stands here in the clear: protect it as
sensitive personal information. Keys and keyed indexes are left out; they are of no use outside the system.
Dates are calendar days in China, times carry their zone. An empty "patient" means the whole hospital;
otherwise it is the id of the one patient whose data this is.
""",
}
