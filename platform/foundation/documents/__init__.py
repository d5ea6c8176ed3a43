"""Documents: PDF files, spreadsheets and figures in the house style.

The kit on which invoices and reports stand; it knows nothing of hospitals. A caller brings finished,
translated text and finished numbers; nothing here computes or translates. `typeset` turns a Typst template
and plain data into a PDF (排版), `spreadsheet` writes the same rows as Excel or CSV (电子表格), `charts` and
`figures` draw Vega-Lite figures as SVG (图表) for the page and the PDF alike. The three share one palette
(`templates/palette.json`), one font (Noto Sans CJK, from a wheel, never from the machine) and one promise:
the same input gives the same bytes, and text that came from people is never read as markup, formula or
code.
"""
