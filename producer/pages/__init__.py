"""Parts of HTML pages: templates, pictures, matrices, charts."""
