"""One module per page; each shows what a `Data` gives it. In a folder `pages` Streamlit would serve the files bare."""
