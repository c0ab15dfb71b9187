from rest_framework import pagination
from rest_framework.response import Response


class Numbered(pagination.PageNumberPagination):
    page_size = 10
    page_size_query_param = "page_size"


class Offset(pagination.LimitOffsetPagination):
    default_limit = 7


class Cursor(pagination.CursorPagination):
    ordering = "id"
    page_size = 9


def of(properties):
    return {"type": "object", "properties": properties}


NUMBER = {"type": "integer", "nullable": True, "example": 2}
LINK = {"type": "string", "format": "uri", "nullable": True}


class Nested(Numbered):
    """The number of the next page, in an object."""

    def following(self):
        return self.page.next_page_number() if self.page.has_next() else None

    def get_paginated_response(self, data):
        pages = {"next": self.following(), "count": self.page.paginator.count}
        return Response({"results": data, "pagination": pages})

    def get_paginated_response_schema(self, schema):
        return of({"results": schema, "pagination": of({"next": NUMBER, "count": {"type": "integer"}})})


class Linked(Numbered):
    """The links in an object, and no count."""

    def get_paginated_response(self, data):
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        return Response({"links": links, "results": data})

    def get_paginated_response_schema(self, schema):
        return of({"links": of({"next": LINK, "previous": LINK}), "results": schema})


class Items(Nested):
    """The items have another name, and `next` is a number."""

    def get_paginated_response(self, data):
        return Response({"items": data, "next": self.following()})

    def get_paginated_response_schema(self, schema):
        return of({"items": schema, "next": NUMBER})


class Data(Cursor):
    """The cursor alone."""

    def get_paginated_response(self, data):
        from urllib.parse import parse_qs, urlsplit

        link = self.get_next_link()
        cursor = parse_qs(urlsplit(link).query)["cursor"][0] if link else None
        return Response({"data": data, "meta": {"next_cursor": cursor}})

    def get_paginated_response_schema(self, schema):
        return of({"data": schema, "meta": of({"next_cursor": {"type": "string", "nullable": True}})})


class Headed(Numbered):
    """A list, and the links in a header."""

    def get_paginated_response(self, data):
        links = [("next", self.get_next_link()), ("prev", self.get_previous_link())]
        value = ", ".join(f'<{link}>; rel="{relation}"' for relation, link in links if link)
        headers = {"X-Total-Count": str(self.page.paginator.count), **({"Link": value} if value else {})}
        return Response(data, headers=headers)

    def get_paginated_response_schema(self, schema):
        return schema
